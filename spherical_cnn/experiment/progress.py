"""Progress bars of the building of data sets."""

from __future__ import annotations

from tqdm import tqdm


def shapes_bar(title):
    """A bar of shapes per second and time left, as `progress` for `spherical_cnn.data.build`."""
    bar = tqdm(desc=title, unit=" shapes", disable=None, dynamic_ncols=True)

    def progress(done, total):
        if bar.total is None:
            bar.reset(total)
            bar.initial = bar.n = bar.last_print_n = done
        bar.update(done - bar.n)
        if done == total:
            bar.close()

    return progress
