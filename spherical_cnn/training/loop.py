"""Epoch by epoch: train, on one device or several, validate, record."""

from __future__ import annotations

import contextlib
import logging
import os
import time

import keras

from spherical_cnn.training import callbacks
from spherical_cnn.training.checkpoints import (
    NotFiniteError,
    copy_variables,
    save_checkpoint,
)
from spherical_cnn.training.divergence import StopWhenNotFinite, broken, check_epoch
from spherical_cnn.training.metrics import confusion_counts
from spherical_cnn.training.network import compiled_model

logger = logging.getLogger("spherical_cnn")


def fit(run, config, devices, model, feed, state):
    """Trains from `state` to the last epoch; the chief writes the checkpoints, `model.keras`.

    Args:
        run: `RunFolder`.
        config: `Config`.
        devices: `Devices`.
        model: compiled; has the weights of the last epoch in the end.
        feed: what to train on, such as `ShardFeed`.
        state: of the checkpoint to go on from; brought up to date.

    Raises:
        RecordError: naming the faulty shard and record.
        RunError: if a loss, a weight or an output is not finite; checkpoints and history are those
            of the epoch before.
    """
    if state["epoch"] >= config.n_epochs and os.path.exists(run.checkpoint("final")):
        logger.info(f"Already trained for {state['epoch']} epochs")
        return
    logger.info("Start training...")
    if state["epoch"]:
        logger.info(f"Continuing after epoch {state['epoch']}")
    _fit_epochs(run, config, devices, model, feed, state)
    if devices.chief:
        save_checkpoint(run, "final", model, state)
        _save_model(run, model)


def _fit_epochs(run, config, devices, model, feed, state):
    """One `fit` per epoch: each has its own samples, which may be of another number.

    On several devices a copy of `model` is trained, and `model` given its variables every epoch.
    """
    trained = _spread(devices, model, config) if devices.several else model
    with contextlib.ExitStack() as stack:
        if devices.chief:
            tensorboard = stack.enter_context(callbacks.TensorBoard(run.path))
        stack.enter_context(feed.explained())
        for epoch in range(state["epoch"], config.n_epochs):
            started = time.monotonic()
            logs = _train(trained, config, devices, feed, epoch)
            if devices.several:
                copy_variables(trained, model)
            if devices.chief:
                logs |= _validate(model, config, feed)
                check_epoch(model, config, epoch, logs)
                seconds = time.monotonic() - started
                try:
                    callbacks.record(run, state, model, epoch, logs, seconds)
                except NotFiniteError as error:
                    found = f"{error} is not finite"
                    raise broken(config, epoch, "after its last step", found) from error
                counts = confusion_counts(trained if config.skip_val else model)
                rate = float(model.optimizer.learning_rate)
                tensorboard.write(epoch, logs, rate, counts)


def _validate(model, config, feed):
    """Logs of a pass over the validation samples; empty if there is to be none."""
    if config.skip_val:
        return {}
    with feed.evaluation(model, "val", config.first_n) as data:
        found = model.evaluate(**data, return_dict=True, verbose=0)
    return {f"val_{name}": value for name, value in found.items()}


def _spread(devices, model, config):
    """A copy of `model` that trains on several devices."""
    with devices.scope():
        trained = compiled_model(config)
        devices.prepare(trained)
        copy_variables(model, trained)
    return trained


def _train(model, config, devices, feed, epoch):
    """Trains for an epoch; returns its logs."""
    data, samples = feed.train(model, epoch, devices.share)
    with devices.scope():
        history = model.fit(
            **data,
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,
            verbose=0,
            callbacks=[
                keras.callbacks.LearningRateScheduler(lambda index, _: config.rate(index)),
                StopWhenNotFinite(config),
                callbacks.Progress(samples, config.train_bsize, config.n_epochs),
            ],
        ).history
    return {name: values[-1] for name, values in history.items()}


def _save_model(run, model):
    """Writes `model.keras`, without optimiser: it loads wherever `spherical_cnn` is imported."""
    temporary = run(".writing-model.keras")
    keras.Model(model.input, model.output, name=model.name).save(temporary)
    os.replace(temporary, run("model.keras"))
