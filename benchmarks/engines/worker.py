"""One engine in a process of its own, which does what it is told line by line.

    PYTHON -m benchmarks.engines.worker ENGINE

The first line that it prints tells the versions and, for each task, the numbers by which engines are compared
and how long a run took. Then it reads names of tasks, and answers each with the seconds per run.
"""

import importlib
import json
import os
import platform
import sys
from importlib import metadata
from time import perf_counter

import numpy as np

from benchmarks.engines.tasks import CHAINS, NETWORKS
from benchmarks.timing import calls_per_turn, timed_turn

__all__ = ["main", "numbers", "prepared_tasks"]

WARMUP = 2
LEAST_SECONDS = 0.1
SLOW_SECONDS = 2.0  # what takes longer is timed once


def prepared_tasks(engine):
    """Yields the name of each task and a function that runs it.

    Args:
        engine: one of the modules ``benchmarks.engines.in_*``.
    """
    for chain in CHAINS:
        yield chain.name, engine.chain(chain)
    for network in NETWORKS:
        yield network.name, engine.training_step(network)


def numbers(result):
    """What a run returned, a loss or gradients, as a list of numbers."""
    return np.ravel(np.asarray(result)).tolist()


def _try_out(function):
    """The numbers by which engines are compared, from two runs, and the seconds of the second one.

    Of training steps the second loss shows that gradients and update agree too.
    """
    first = numbers(function())
    start = perf_counter()
    second = numbers(function())
    return first + second, perf_counter() - start


def main(engine):
    # What the engine prints doesn't belong to the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content):
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    versions = {package: metadata.version(package) for package in (engine, "numpy")}
    versions["python"] = platform.python_version()
    functions, tasks = {}, {}
    for name, function in prepared_tasks(importlib.import_module(f"benchmarks.engines.in_{engine}")):
        found, seconds = _try_out(function)
        is_slow = seconds > SLOW_SECONDS
        functions[name] = function, 1 if is_slow else calls_per_turn(function, WARMUP, LEAST_SECONDS)
        tasks[name] = {"numbers": found, "seconds": seconds, "is_slow": is_slow}
    answer({"versions": versions, "tasks": tasks})
    for line in sys.stdin:
        answer(timed_turn(*functions[line.strip()]))


if __name__ == "__main__":
    main(sys.argv[1])
