"""Network, optimiser, losses and record format of a run, from its options."""

from __future__ import annotations

import contextlib

import keras

from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.nn.losses import TripletSemiHardLoss
from spherical_cnn.nn.models import two_branch
from spherical_cnn.training.metrics import ConfusionAccuracy, MeanLoss


def build_model(config):
    """The network of `config`, untrained. See `two_branch`."""
    normalization = "batch_renorm" if config.batch_renorm else "batch"
    anchors = [count or None for count in config.n_filter_params]
    return two_branch(
        config.input_res,
        config.n_classes,
        config.nfilters,
        config.pool_layers,
        config.concat_branches,
        num_anchors=anchors if len(anchors) > 1 else anchors[0],
        normalization=normalization if config.batch_norm else None,
        nonlinearity=config.nonlin,
        pool=config.pool,
        spectral_pooling=config.spectral_pool,
        area_weighted=config.weighted_sph_avg,
        quadrature=config.quadrature,
        final_pool=config.final_pool,
        final_dense=not config.no_final_fc,
        extra_logits=config.extra_loss,
        dropout=config.dropout,
        method=config.transform_method,
        regularization=config.regularization_weight,
        dealias=config.dealias,
        height=config.height,
        planar=config.model == "planar",
        name=config.model,
    )


def compile_model(model, config, **options):
    """Gives `model` the optimiser, losses and accuracy of `config`.

    The loss is the mean cross entropy of the logits, plus, each with weight 1, that of the second
    classifier, the semi-hard triplet loss of the descriptor, and the regularisation. Labels go to
    every output, see `with_labels`. Where `config` does not ask for XLA or asks for determinism,
    Keras decides: it takes XLA on JAX. `options` go to `model.compile`.
    """
    rate = config.rate(0)
    if config.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, epsilon=1e-8)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    losses = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    if config.extra_loss:
        losses["logits_branch1"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if config.triplet_loss:
        losses["descriptor"] = TripletSemiHardLoss(margin=1.0)
    metrics = {name: [MeanLoss(loss)] for name, loss in losses.items()}
    metrics["logits"].append(ConfusionAccuracy(config.n_classes))
    by_xla = config.jit_compile and not config.deterministic
    options.setdefault("jit_compile", by_xla or "auto")
    model.compile(optimizer=optimizer, loss=losses, metrics=metrics, **options)
    optimizer.build(model.trainable_variables)  # so that a checkpoint finds its variables


def compiled_model(config):
    """The network of `config`, untrained, compiled."""
    model = build_model(config)
    compile_model(model, config)
    return model


def with_labels(batches, model):
    """Batches of parsed records as `(signal, {output: label})`, what `fit` and `evaluate` take."""
    outputs = list(model.output_names)
    return batches.map(
        lambda record: (record["signal"], {name: record["label"] for name in outputs})
    )


@contextlib.contextmanager
def evaluation_data(model, reading):
    """Arguments of Keras's `evaluate`, in a context, for what `reading` gives in one."""
    with reading as batches:
        yield {"x": with_labels(batches, model)}


def record_format(config):
    """`RecordFormat` of the shards of `config`."""
    return RecordFormat(config.input_res, config.dtype, config.nchannels, config.n_classes)


@contextlib.contextmanager
def reading(config, shards, limit=None):
    """Batches of parsed records of shards, for networks of `config`, in order.

    Args:
        config: `Config`.
        shards: paths.
        limit: of batches.

    Raises:
        RecordError: naming the faulty shard and record; also while the batches are read.
    """
    from spherical_cnn.data.records.pipeline import (
        check_shards,  # only here, as it needs TensorFlow
    )

    check_shards(shards, record_format(config))
    with reading_checked(config, shards, limit) as batches:
        yield batches


@contextlib.contextmanager
def reading_checked(config, shards, limit=None):
    """As `reading`, of shards that have been checked before."""
    from spherical_cnn.data.records import pipeline  # only here, as it needs TensorFlow

    form = record_format(config)
    with pipeline.explain_errors(shards, form):
        yield pipeline.evaluation_batches(shards, form, config.train_bsize, limit)
