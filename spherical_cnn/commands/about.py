"""What the program says about itself: its version and what it runs on, and its presets."""

from __future__ import annotations

import importlib.metadata
import json
import platform

from spherical_cnn.errors import explain_import
from spherical_cnn.flags import Parser
from spherical_cnn.presets import DEFAULT, PRESETS
from spherical_cnn.version import __version__


def print_versions():
    """Prints the versions of the package, Python, Keras and its backend, and the device."""
    print(f"spherical_cnn {__version__}\nPython {platform.python_version()}")
    try:
        import keras

        from spherical_cnn.training.devices import device_names
    except ImportError as error:
        print(explain_import(error))
        return
    backend = keras.backend.backend()
    print(f"Keras {keras.__version__}, backend {backend} {importlib.metadata.version(backend)}")
    print(f"device {', '.join(device_names())}")


def presets_command(argv):
    """Lists the presets."""
    parser = Parser(
        "Lists the trained networks that come with the package. Commands that take a run take the\n"
        "name of a preset.",
        examples=("scnn presets --json",),
        prog="scnn presets",
    )
    parser.add_shared("--json")
    if parser.parse_args(argv).json:
        every = PRESETS.values()
        print(
            json.dumps([{**one._asdict(), "num_bytes": one.num_bytes} for one in every], indent=1)
        )
        return
    for preset in PRESETS.values():
        print(f"{preset.name}{', the default of scnn predict' * (preset.name == DEFAULT)}")
        shape = " × ".join(map(str, preset.input_shape))
        for title, text in (
            ("what", preset.description),
            ("takes", f"{preset.takes}, {shape}"),
            ("classes", preset.num_classes),
            ("parameters", f"{preset.num_parameters:,}"),
            ("accuracy", f"{preset.accuracy}, on {preset.split}"),
            ("size", f"{preset.num_bytes / 1e6:.1f} MB"),
            ("license", preset.license),
            ("card", f"{preset.folder}/README.md"),
        ):
            print(f"  {title:10}  {text}")
