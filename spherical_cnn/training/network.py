"""Network, optimizer, losses and record format of a run, from its options."""

from __future__ import annotations

import keras

from spherical_cnn.data.records.schema import RecordFormat
from spherical_cnn.nn.losses import SmoothedCrossentropy, TripletSemiHardLoss
from spherical_cnn.nn.models import two_branch
from spherical_cnn.nn.points.point_sphere import most_neighbors, point_sphere
from spherical_cnn.training.metrics import ConfusionAccuracy, MeanLoss


def build_model(config, num_points=1024, arranged=False):
    """Builds the untrained network of a `RunConfig`; see `two_branch` and `point_sphere`.

    The arguments `num_points` and `arranged` are those of the latter.
    """
    if config.takes_points:
        return _point_model(config, num_points, arranged)
    normalization = "batch_renorm" if config.batch_renorm else "batch"
    average = "area" if config.weighted_sph_avg else "grid"
    if config.quadrature:
        average = "quadrature"
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
        global_average=average,
        final_pool=config.final_pool,
        final_dense=not config.no_final_fc,
        extra_logits=config.extra_loss,
        dropout=config.dropout,
        method=config.transform_method,
        regularization=config.regularization_weight,
        dealias=config.dealias,
        map_grid=config.map_grid,
        up_channel=config.up_channel,
        planar=config.model == "planar",
        name=config.model,
    )


def arrangement(config):
    """Returns the arguments `front` and `neighbors` of `arrange` for a network of points."""
    front = config.pair_points[0] if config.pair_points else 1
    return front, most_neighbors(config.neighborhoods, config.pair_neighbors)


def _point_model(config, num_points, arranged):
    pooled = [sum(config.pool_layers[:i]) for i in range(len(config.nfilters))]
    bandwidth = config.input_res // 2
    return point_sphere(
        config.n_classes,
        num_points,
        neighborhoods=config.neighborhoods,
        point_filters=config.point_filters,
        pair_points=config.pair_points,
        pair_neighbors=config.pair_neighbors,
        pair_filters=config.pair_filters,
        shells=config.shells,
        shell_channels=config.shell_channels,
        bandwidth=bandwidth,
        filters=config.nfilters,
        degrees=[bandwidth // 2**halvings for halvings in pooled],
        dense=config.dense,
        dropout=config.dropout_rate if config.dropout else 0.0,
        arranged=arranged,
        name=config.model,
    )


def compile_model(model, config, **options):
    """Compiles `model` with the optimizer, losses and accuracy of a `RunConfig`.

    The loss is the sum of the mean cross entropy of the logits, that of the second classifier, the
    semi-hard triplet loss of the descriptor, and the regularization. Every output gets the labels.
    Without `jit_compile`, or with `deterministic`, Keras decides whether to use XLA (it does on
    JAX). `options` are arguments of `model.compile`.
    """
    rate = config.rate(0)
    decay = {"weight_decay": config.weight_decay} if config.weight_decay else {}
    if config.optimizer == "adam":
        optimizer = keras.optimizers.Adam(rate, epsilon=1e-8, **decay)
    else:
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **decay)
    losses = {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    if config.label_smoothing:
        losses["logits"] = SmoothedCrossentropy(config.label_smoothing)
    if config.extra_loss:
        losses["logits_branch1"] = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if config.triplet_loss:
        losses["descriptor"] = TripletSemiHardLoss(margin=1.0)
    metrics = {name: [MeanLoss(loss)] for name, loss in losses.items()}
    metrics["logits"].append(ConfusionAccuracy(config.n_classes))
    by_xla = config.jit_compile and not config.deterministic
    options.setdefault("jit_compile", by_xla or "auto")
    model.compile(optimizer=optimizer, loss=losses, metrics=metrics, **options)
    optimizer.build(model.trainable_variables)  # creates its variables for checkpoints


def compiled_model(config, num_points=1024, arranged=False):
    """Builds and compiles the untrained network of a `RunConfig`; see `build_model`."""
    model = build_model(config, num_points, arranged)
    compile_model(model, config)
    return model


def points_model(run):
    """Returns the network of a `Run`; of points, one that reads them in any order."""
    if not run.config.takes_points:
        return run.model
    model = build_model(run.config, run.num_points)
    model.set_weights(run.model.get_weights())
    return model


def record_format(config):
    """Returns the `RecordFormat` of the TFRecords that a `RunConfig` describes."""
    return RecordFormat(config.input_res, config.dtype, config.nchannels, config.n_classes)
