"""Progress bars, and whether a script is to be quiet."""

from __future__ import annotations

from tqdm import tqdm

_state = {"quiet": False}


def be_quiet(quiet):
    """Says whether bars and log lines that are no results are kept from the screen."""
    _state["quiet"] = quiet


def is_quiet():
    """What `be_quiet` was last told."""
    return _state["quiet"]


def bar(**options):
    """A `tqdm` bar with time left; none when not on a terminal, or quiet."""
    return tqdm(disable=is_quiet() or None, dynamic_ncols=True, **options)


def shapes_bar(title):
    """A bar of shapes per second, as `progress` for `spherical_cnn.data.records.build`."""
    shown = bar(desc=title, unit=" shapes")

    def progress(done, total):
        if shown.total is None:
            shown.reset(total)
            shown.initial = shown.n = shown.last_print_n = done
        shown.update(done - shown.n)
        if done == total:
            shown.close()

    return progress
