"""Runs the notebooks of docs/notebooks and stores them with their outputs.

A script of cells, NAME.py, is the source of the notebook NAME.ipynb. Each notebook runs from top to
bottom in an empty folder; an error stops the program. `make notebooks` calls it.
"""

import argparse
import os
import pathlib
import re
import sys
import tempfile
import time

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).parent / "notebooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_LANGUAGE = {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"}
_SECONDS = 900  # that a cell may take on a busy machine
# What TensorFlow writes to standard error when it starts, at any log level.
_STARTUP = re.compile(
    r"before absl::InitializeLog\(\)"
    r"|\] (Could not find cuda|failed call to cuInit|oneDNN custom operations are on)"
)


def read(name):
    """Returns a script as a notebook without outputs; cells have the same names in every run."""
    notebook = jupytext.reads((FOLDER / f"{name}.py").read_text("utf-8"), fmt="py:percent")
    notebook.metadata = nbformat.from_dict({"kernelspec": _KERNEL, "language_info": _LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for index, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{index}", {}
    return notebook


def execute(notebook, folder):
    """Runs a notebook in a folder, by the interpreter that runs this program.

    Commands in its cells are those that are installed beside this interpreter.
    """
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "IPYTHONDIR": os.path.join(folder, ".ipython"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    client = NotebookClient(
        notebook,
        timeout=_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
        record_timing=False,
    )
    client.execute(env=environment)
    notebook.metadata["language_info"] = _LANGUAGE  # without the version of the interpreter
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)


def _joined(outputs):
    """Joins pieces of a stream, and drops what TensorFlow writes when it starts."""
    joined = []
    for output in outputs:
        if joined and output.output_type == "stream" and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.get("name") == "stderr":
            lines = output.text.splitlines(keepends=True)
            output.text = "".join(line for line in lines if not _STARTUP.search(line))
    return [output for output in joined if output.get("text") != ""]


def main():
    """Runs the notebooks that the command line names, by default all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER, help="folder to write")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"expected {', '.join(NAMES)}. Received: {', '.join(unknown)}")
    for name in options.names or NAMES:
        start, before = time.monotonic(), os.times()
        notebook = read(name)
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, folder)
        path = options.output / f"{name}.ipynb"
        nbformat.write(notebook, path)
        after = os.times()
        user, system = (x - y for x, y in zip(after[2:4], before[2:4], strict=True))
        print(
            f"{name}: {time.monotonic() - start:.0f} s, {user + system:.0f} s of processors, "
            f"{path.stat().st_size / 2**20:.2f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
