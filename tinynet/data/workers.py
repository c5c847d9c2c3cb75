"""Making batches ahead of time, in threads or in processes, and handing them out in order."""

import collections
import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tinynet.data.batches import LoadingError
from tinynet.errors import ArgumentError

__all__ = ["in_processes", "in_threads"]


def in_threads(make_batch, tasks, workers, ahead):
    """Yields ``make_batch(*task)`` for each task in order, made by threads.

    Args:
        make_batch: the function, safe to be called by several threads at once.
        tasks: an iterable of argument tuples.
        workers: the number of threads.
        ahead: how many batches may be waiting or in the making.

    All threads have ended when the generator is exhausted or closed.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="tinynet-loader")
    yield from _in_order(pool, make_batch, tasks, ahead)


def in_processes(make_batch, tasks, workers, ahead):
    """Yields ``make_batch(*task)`` for each task in order, made by processes.

    The processes are spawned, not forked, since a fork copies the locks of threads (OpenMP's for one)
    that do not exist in the copy. All have ended when the generator is exhausted or closed.

    Args:
        make_batch: the function; it is pickled once and sent to each process.
        tasks: an iterable of picklable argument tuples.
        workers: the number of processes.
        ahead: how many batches may be waiting or in the making.

    Raises:
        ArgumentError: the function cannot be pickled.
        LoadingError: a process ended before its work was done.
    """
    try:
        payload = pickle.dumps(make_batch)
    except Exception as error:  # pickle raises whatever the object's own methods raise
        raise ArgumentError(
            "DataLoader: data set, transform and collate go to worker processes and must be picklable, "
            f"which lambdas and local functions are not; worker_type='thread' has no such need: {error}"
        ) from error
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(payload,),
    )
    try:
        with contextlib.closing(_in_order(pool, _make_in_worker, tasks, ahead)) as results:
            for batch, failure in results:
                if failure is not None:
                    raise _as_error(*failure)
                yield batch
    except BrokenProcessPool as error:
        raise LoadingError(
            "DataLoader: a worker process ended abruptly: it was killed (out of memory?), it crashed, or the "
            'main script starts its work without the guard `if __name__ == "__main__":`'
        ) from error


def _in_order(pool, function, tasks, ahead):
    pending = collections.deque()
    try:
        for task in tasks:
            pending.append(pool.submit(function, *task))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_worker_payload = None
_worker_make_batch = None


def _start_worker(payload):
    """Prepares a worker process. What it needs is unpickled later, where an error can be reported."""
    global _worker_payload
    _worker_payload = payload
    # Ctrl-C reaches the whole process group; the main process decides what to do and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """Ends this process when the main process is gone, even if that was killed."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _make_in_worker(*task):
    """(batch, None), or (None, what went wrong): an error itself may not survive the way back."""
    global _worker_make_batch
    try:
        if _worker_make_batch is None:
            _worker_make_batch = pickle.loads(_worker_payload)
        return _worker_make_batch(*task), None
    except LoadingError as error:
        return None, (error.message, traceback.format_exc())
    except Exception as error:
        return None, (f"DataLoader: {type(error).__name__}: {error}", traceback.format_exc())


def _as_error(message, traceback_text):
    error = LoadingError(message)
    error.traceback_text = traceback_text
    error.add_note(f"In a worker process:\n{traceback_text}")
    return error
