"""Writes the reference of all public names, from their docstrings, to docs/api: `make api`."""

import importlib
import pathlib
import pkgutil

import pdoc

import spherical_cnn
from spherical_cnn.data.records.pipeline import load_records

spherical_cnn.load_records = load_records  # loaded on use, which pdoc does not see


def specifications(name):
    """A module and what pdoc does not find from there: modules that `__all__` does not name."""
    module = importlib.import_module(name)
    found = [name]
    public = getattr(module, "__all__", None)
    for inner in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if public is not None and inner.name not in public:
            found += specifications(f"{name}.{inner.name}")
    return found


pdoc.render.configure(docformat="google")
folder = pathlib.Path(__file__).parent / "api"
pdoc.pdoc(*specifications("spherical_cnn"), output_directory=folder)
