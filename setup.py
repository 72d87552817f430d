"""What pyproject.toml cannot say: packages that lie elsewhere, and the README as PyPI shows it."""

import pathlib
import re

from setuptools import find_packages, setup

README = (pathlib.Path(__file__).parent / "README.md").read_text("utf-8")
# PyPI shows neither pictures nor links of addresses inside the repository.
README = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*", "", README)
README = re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", README)

setup(
    long_description=README,
    long_description_content_type="text/markdown",
    # Folders of files, which spherical_cnn/packaged.py finds here and in an installed package.
    packages=[
        *find_packages(include=["spherical_cnn", "spherical_cnn.*"]),
        "spherical_cnn.params",
        "spherical_cnn.weights",
    ],
    package_dir={"spherical_cnn.params": "params", "spherical_cnn.weights": "weights"},
    include_package_data=False,
    package_data={
        "spherical_cnn": ["py.typed"],
        "spherical_cnn.reporting": ["assets/*"],
        "spherical_cnn.params": ["**/*.txt"],
        "spherical_cnn.weights": ["*/*", "*/checkpoints/*"],
    },
)
