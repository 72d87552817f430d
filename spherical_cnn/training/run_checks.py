"""What is wrong with the options of a run."""

from __future__ import annotations

import math
import re

from spherical_cnn import choices

_SPHERICAL = ("spectral_pool", "n_filter_params", "dealias", "map_grid", "up_channel")
_OF_POINTS = ("pair_points", "pair_neighbors", "pair_filters")


def network_problems(config):
    """Yields what is wrong with the options of the network; each assumes the ones before."""
    if config.takes_points:
        yield from _point_problems(config)
        return
    lengths = {
        name: len(getattr(config, name)) for name in ("nfilters", "pool_layers", "concat_branches")
    }
    if len(set(lengths.values())) != 1 or not config.nfilters or min(config.nfilters) < 1:
        yield (
            "--nfilters, --pool_layers, --concat_branches: expected one entry per layer, "
            f"positive numbers of filters. Received: {lengths}, nfilters={config.nfilters}"
        )
    anchors = config.n_filter_params
    if len(anchors) not in (1, len(config.nfilters)) or min(anchors) < 0:
        yield (
            f"--n_filter_params: expected at least 0, once or for each of {len(config.nfilters)} "
            f"layers. Received: {','.join(map(str, anchors))}"
        )
    for name in ("pool_layers", "concat_branches"):
        if set(getattr(config, name)) - {0, 1}:
            yield f"--{name}: expected 0 or 1. Received: {getattr(config, name)}"
    factor = 2 ** (1 + config.dealias + sum(config.pool_layers))
    if config.input_res < 1 or config.input_res % factor:
        yield (
            f"--input_res: expected a multiple of {factor} for {sum(config.pool_layers)} "
            f"pooling layers{' and --dealias' * config.dealias}. Received: {config.input_res}"
        )
    own = choices.NONLINEARITIES
    known = own if config.nonlin in own else nonlinearities()
    if config.nonlin not in known:
        yield f"--nonlin: expected {' or '.join(known)}. Received: {config.nonlin!r}"
    if config.map_grid == "gauss_legendre" and not (
        config.dealias
        and config.quadrature
        and config.pool == "lowpass"
        and not config.pool_layers[-1]
    ):
        yield (
            "--map_grid gauss_legendre needs --dealias, --quadrature, --pool lowpass, and no "
            f"pooling after the last layer. Received: dealias={config.dealias}, quadrature="
            f"{config.quadrature}, pool={config.pool}, pool_layers={config.pool_layers}"
        )
    if config.spectral_pool and config.pool != "wap":
        yield f"--spectral_pool replaces --pool, which must stay wap. Received: {config.pool}"
    if config.batch_renorm and not config.batch_norm:
        yield "--batch_renorm needs --batch_norm, which it modifies"
    if config.model == "planar":
        if any(getattr(config, name) != getattr(type(config), name) for name in _SPHERICAL):
            yield f"--model planar has no {', '.join(f'--{name}' for name in _SPHERICAL)}"
    if config.nchannels * (2 if config.dtype.startswith("complex") else 1) != 2:
        yield (
            f"--nchannels: {config.model} takes two channels: one complex or two real. "
            f"Received: {config.nchannels} of {config.dtype}"
        )


def run_problems(config):
    """Yields what is wrong with the other options."""
    rates = config.learning_rate
    if 0 not in rates or min(rates) < 0 or not all(0 < r < math.inf for r in rates.values()):
        yield (
            "--learning_rate: expected positive rates by epoch, from epoch 0, such as "
            f"{{0: 0.001, 32: 0.0002}}. Received: {rates}"
        )
    if not re.fullmatch("all|[1-9][0-9]{0,3}", config.devices):
        yield f"--devices: expected a number or all. Received: {config.devices}"
    if config.process_id >= config.num_processes:
        yield (
            f"--process_id: expected less than --num_processes {config.num_processes}. "
            f"Received: {config.process_id}"
        )
    if config.coordinator and not re.fullmatch(r"[^\s:]+:[0-9]{1,5}", config.coordinator):
        yield f"--coordinator: expected HOST:PORT. Received: {config.coordinator}"
    if bool(config.coordinator) != (config.num_processes > 1):
        yield "--coordinator, --num_processes: expected both or none"
    if config.num_processes > 1 and (config.from_scratch or config.test_only):
        yield "--num_processes: several processes train only, without --from_scratch"
    if config.online and (config.num_processes > 1 or config.test_only):
        yield "--online excludes --num_processes and --test_only"
    if config.spectral_input:
        yield "--spectral_input: not supported, the input is a signal"
    if config.test_only and config.from_scratch:
        yield "--test_only excludes --from_scratch, which removes the run to test"
    if config.triplet_loss and not config.round_batches:
        yield "--triplet_loss needs --round_batches: it finds triplets in full batches"


def _point_problems(config):
    """Yields what is wrong with the options of `point_sphere`."""
    for names in (("nfilters", "pool_layers"), _OF_POINTS):
        lengths = {name: len(getattr(config, name)) for name in names}
        if len(set(lengths.values())) != 1:
            flags = ", ".join(f"--{name}" for name in names)
            yield f"{flags}: expected one entry per layer. Received: {lengths}"
    for name in ("nfilters", "neighborhoods", "point_filters"):
        if not getattr(config, name):
            yield f"--{name}: expected at least one number. Received none"
    for name in ("nfilters", "neighborhoods", "point_filters", *_OF_POINTS):
        if min(getattr(config, name), default=1) < 1:
            yield f"--{name}: expected positive numbers. Received: {getattr(config, name)}"
    if set(config.pool_layers) - {0, 1}:
        yield f"--pool_layers: expected 0 or 1. Received: {config.pool_layers}"
    factor = 2 ** (1 + sum(config.pool_layers[:-1]))
    if config.input_res < 1 or config.input_res % factor:
        yield (
            f"--input_res: expected a multiple of {factor} for these pooling layers. "
            f"Received: {config.input_res}"
        )
    if not config.online and not config.test_only and config.logdir:
        yield "--model point_sphere: trains on shapes, expected --online SOURCE"


def nonlinearities():
    """Returns the values of `--nonlin`: ours, and the names of Keras's activations."""
    from keras import activations  # only here, because it is slow to import

    known = set(dir(activations)) - {"get", "serialize", "deserialize"}
    known = {name for name in known if callable(getattr(activations, name)) and name[0] != "_"}
    return [*choices.NONLINEARITIES, *sorted(known)]
