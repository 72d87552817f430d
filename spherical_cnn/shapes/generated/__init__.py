"""The generated shapes of the embedded dataset."""
