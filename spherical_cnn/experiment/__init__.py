"""Experiments: flags, training, evaluation, reports. Imports TensorFlow where it is needed."""
