"""Builds the package; tool settings are in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "spherical_cnn/version.py").read_text("utf-8"), re.M
)[1]

setup(
    name="spherical_cnn",
    version=VERSION,
    description="Spherical CNNs (Esteves et al., ECCV 2018) for TensorFlow 2 / Keras 3",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["spherical_cnn", "spherical_cnn.*"]),
    package_data={"spherical_cnn.reporting": ["assets/*"]},
    entry_points={"console_scripts": ["scnn = spherical_cnn.cli:main"]},
    install_requires=[
        "keras>=3.8,<4",
        "numpy>=1.26",
        "scipy>=1.11",
    ],
    extras_require={
        "tensorflow": ["tensorflow>=2.18,<2.22"],
        "jax": ["jax>=0.4.36"],
        "torch": ["torch>=2.4"],
        "train": ["tensorboard>=2.18", "tqdm>=4.60", "matplotlib>=3.10"],
        "shapes": [
            "trimesh>=5,<6",
            "embreex>=4.4,<5",
            "mapbox-earcut>=2,<3",
            "scikit-image>=0.25",
            "tqdm>=4.60",
        ],
        "onnx": ["tf2onnx>=1.17,<2"],
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.6,<10", "mkdocstrings[python]>=0.29,<2"],
        "dev": [
            "pytest>=8.2",
            "hypothesis>=6.100",
            "lie_learn>=0.0.2,<0.1",  # an oracle of the tests; it needs numpy < 2
            "jax[cpu]>=0.4.36",
            "tf2onnx>=1.17,<2",
            "onnxruntime>=1.20,<2",
            "ruff>=0.9",
            "mypy>=1.14",
            "codespell>=2.3",
            "playwright>=1.40",  # opens pages in Chromium, which is installed apart
            "ipykernel>=6.29",
            "jupytext>=1.16",
            "nbclient>=0.10",
        ],
    },
)
