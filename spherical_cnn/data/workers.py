"""Tasks on several processes, with results in order."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent import futures

from spherical_cnn.errors import ShapeError


@contextlib.contextmanager
def worker_pool(workers, preload="spherical_cnn.data.records.writer"):
    """Yields a function of `(function, tasks)` that yields `(task, result)` in the order of tasks.

    The module `preload` is imported once for all processes.
    """
    if workers == 1:
        yield lambda function, tasks: ((task, function(task)) for task in tasks)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    executor = futures.ProcessPoolExecutor(workers, context, _start_worker)
    try:
        yield lambda function, tasks: _ordered(executor, function, tasks, 2 * workers)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def map_shapes(function, shapes, workers, shapes_per_task):
    """Yields the result of a function for each shape, or a text that says why it failed.

    The function's module is imported once for all processes. `shapes` are tuples of arguments.
    """
    step = 1 if workers == 1 else shapes_per_task
    tasks = ((function, shapes[start : start + step]) for start in range(0, len(shapes), step))
    with worker_pool(workers, function.__module__) as perform_all:
        for _, results in perform_all(_try_each, tasks):
            yield from results


def _try_each(task):
    function, shapes = task
    results = []
    for arguments in shapes:
        try:
            results.append(function(*arguments))
        except ShapeError as error:
            results.append(str(error))
        except OSError as error:
            results.append(error.strerror or str(error))
        except ImportError:  # of no shape, but of all
            raise
        except Exception as error:
            results.append(f"{type(error).__name__}: {error}")
    return results


def _ordered(executor, function, tasks, ahead):
    waiting: collections.deque = collections.deque()
    for task in tasks:
        waiting.append((task, executor.submit(function, task)))
        if len(waiting) > ahead:
            first, future = waiting.popleft()
            yield first, future.result()
    for first, future in waiting:
        yield first, future.result()


def _start_worker():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent():
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()  # a killed parent cannot end its workers
        os._exit(1)
