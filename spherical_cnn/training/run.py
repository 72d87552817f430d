"""Opens runs: new, resumed, to be tested, or finished."""

from __future__ import annotations

import dataclasses
import functools
import os

import keras

from spherical_cnn.choices import CASTERS
from spherical_cnn.data.dataset_config import DatasetConfig
from spherical_cnn.errors import ConfigError, RunError
from spherical_cnn.presets import PRESETS, find_run
from spherical_cnn.training.checkpoints import load_checkpoint
from spherical_cnn.training.network import compiled_model
from spherical_cnn.training.run_config import PROCESS_OPTIONS, RunConfig
from spherical_cnn.training.run_folder import RunFolder


@dataclasses.dataclass
class Run:
    """A run: its folder, options, network and training state.

    `model` is a functional `keras.Model`. Its input is a batch of signals `(batch, n, n, 2)` or of
    points `(batch, num_points, 3)`, as `model.input_shape` says; its outputs are a dict with
    `logits` `(batch, classes)` and `descriptor` `(batch, features)`.
    """

    folder: RunFolder
    config: RunConfig
    model: keras.Model  # network of the options, compiled
    state: dict  # JSON values of the checkpoint: `epoch` (epochs done), `best`, `history`
    num_points: int = 1024  # that a network of points reads

    def __repr__(self):
        shape = " × ".join(map(str, self.model.input_shape[1:]))
        return (
            f"Run({self.config.name}: {self.config.model} of "
            f"{self.model.count_params():,} parameters, {shape} → {self.config.n_classes} classes)"
        )

    @functools.cached_property
    def dataset(self):
        """`source`, `classes` and `options` of the dataset; empty if it has no manifest."""
        return self.folder.read_data()

    @functools.cached_property
    def descriptor(self):
        """`keras.Model` from the input of `model` to its descriptor; they share their weights."""
        output = self.model.get_layer("descriptor").output
        return keras.Model(self.model.input, output, name="backbone")

    @property
    def class_names(self):
        """Names of the classes, in the order of the logits; numbers if the dataset has no names."""
        named = self.dataset["classes"]
        return [*named, *(str(label) for label in range(len(named), self.config.n_classes))]


def dataset_config_of(folder: RunFolder, **given) -> DatasetConfig:
    """Returns how the signals of a run's dataset are made; the defaults if it has no manifest.

    Options in `given` that are not `None` replace those of the run.
    """
    try:
        own = DatasetConfig.from_dict(folder.read_data()["options"])
    except (ConfigError, TypeError) as error:
        raise RunError(f"{folder.path('data.json')}: {error}") from error
    return dataclasses.replace(own, **{k: v for k, v in given.items() if v is not None})


def check_caster(config, caster):
    """Refuses a caster of rays for a network that reads points."""
    if config.takes_points and caster != CASTERS[0]:
        raise ConfigError(
            f"--caster: {config.model} reads points, expected none. Received: {caster}"
        )


def new_run(folder, config, num_points=1024):
    """Returns a run that has not started, or that continues from its latest checkpoint.

    Its network reads arranged points, if it reads points.

    Raises:
        RunError: if a checkpoint, or that of `initial_weights`, is not of this network.
    """
    model = compiled_model(config, num_points, arranged=True)
    state = {"epoch": 0, "best": -1.0, "history": []}
    latest, final = folder.checkpoint("latest"), folder.checkpoint("final")
    if os.path.exists(latest) and not config.from_scratch:
        state = load_checkpoint(latest, model)
    elif config.initial_weights:
        _start_from(config.initial_weights, model)
    if config.test_only and not os.path.exists(final):
        raise RunError(
            f"{final}: not found, training stopped after epoch {state['epoch']} of "
            f"{config.n_epochs}; the same command without --test_only resumes it"
        )
    return Run(folder, config, model, state, num_points)


def _start_from(path, model):
    """Gives a new network the weights of a finished run."""
    folder = RunFolder(find_run(os.path.expanduser(path)))
    if not os.path.exists(folder.checkpoint("final")):
        raise RunError(
            f"--initial_weights {path}: expected a finished run or a preset: {', '.join(PRESETS)}"
        )
    load_checkpoint(folder.checkpoint("final"), model, weights_only=True, any_classes=True)


def from_preset(name: str) -> Run:
    """Loads a trained network that comes with the package.

        run = from_preset("modelnet40-points")
        run.model.predict(signals)["logits"]  # of run.class_names
        head = keras.Sequential([run.descriptor, keras.layers.Dense(5)])

    `scnn presets` lists the names.

    Returns:
        `Run`; `model`, `descriptor` and `class_names` are what other programs need of it.

    Raises:
        ConfigError: if there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(
            f"from_preset: expected {' or '.join(PRESETS)}. Received: {name!r}; load_run opens the "
            "folder of a run"
        )
    return load_run(PRESETS[name].folder)


def load_run(path: str | os.PathLike, upright: bool = False) -> Run:
    """Loads a finished run, or a released one.

    Args:
        path: path of the run folder, or the name of a preset.
        upright: whether the shapes to process are upright; enables the up-axis channel of a network
            that has one.

    Returns:
        `Run` with the final weights. A network of points reads them in any order.

    Raises:
        RunError: if there is no finished run that this program can read.
    """
    folder = RunFolder(find_run(path))
    config = folder.read_config()
    if config is None:
        raise RunError(
            f"{folder.path('config.json')}: not found, expected a run folder or a preset: "
            f"{', '.join(PRESETS)}"
        )
    if config.up_channel != "off":
        config = dataclasses.replace(config, up_channel="on" if upright else "masked")
    num_points = dataset_config_of(folder).num_points
    model = compiled_model(config, num_points)
    if keras.backend.backend() == "torch":
        model.jit_compile = False  # torch.compile needs a C++ compiler, and minutes
    state = load_checkpoint(folder.checkpoint("final"), model, weights_only=True)
    return Run(folder, config, model, state, num_points)


def open_run(options):
    """Checks options against what their run folder holds; returns `(folder, config)`.

    `options` holds the given options of `RunConfig`; a test takes the others from the folder.
    """
    if not options.get("logdir"):
        raise ConfigError("--logdir: expected a folder for the run. Received none")
    folder = RunFolder(os.path.expanduser(options["logdir"]))
    if options.get("test_only"):
        stored = folder.read_config()
        if stored is None:
            raise RunError(f"{folder.path('config.json')}: not found, there is no run to test")
        # Of the training alone:
        own = ("devices", *PROCESS_OPTIONS, "from_scratch", "online", "initial_weights")
        known = stored.to_dict() | {name: getattr(RunConfig, name) for name in own}
        config = RunConfig.from_dict({**known, **options})
        if not config.dset_dir or config.takes_points:
            raise ConfigError(
                "--dset_dir: expected a folder of TFRecords, because the run was trained on online "
                "data; scnn evaluate tests it on shapes"
            )
        return folder, config
    config = RunConfig.from_dict(options)
    if not config.from_scratch:
        folder.check_continues(config)
    return folder, config
