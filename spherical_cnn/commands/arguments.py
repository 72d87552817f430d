"""Arguments that several commands share."""

from __future__ import annotations

from spherical_cnn.choices import KINDS

SOURCE = "folder CLASS/SPLIT/FILE, SPLIT/CLASS/FILE or CLASS/FILE; an .npz; or embedded"


def add_run(parser):
    """Adds the run folder."""
    parser.add_argument("run", metavar="RUN", help="folder of a finished or released run")


def add_workers(parser):
    """Adds the number of processes."""
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes; default 1")


def add_split_file(parser):
    """Adds the file that assigns splits."""
    parser.add_argument(
        "--split_file", metavar="CSV", help="splits of the shapes: columns name, split"
    )


def add_json(parser):
    """Adds the choice of JSON as output."""
    parser.add_argument("--json", action="store_true", help="print JSON with all digits")


def add_reading(parser):
    """Adds how files are read, where the run decides by default."""
    kinds = ", ".join(("auto", *KINDS))
    parser.add_argument(
        "--kind", metavar="KIND", help=f"what the files hold: {kinds}; default: as in the run"
    )
    parser.add_argument(
        "--up", metavar="AXIS", help="axis that points up in the files; default: as in the run"
    )
