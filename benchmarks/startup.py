"""How long the first training step takes: in the first run, which compiles, and in later ones, which load.

    python -m benchmarks.startup

Each run is a process of its own, the first one with an empty cache of compiled code.
"""

import argparse
import json
import statistics
import tempfile
from time import perf_counter

from benchmarks.subprocesses import run_module

__all__ = ["NETWORKS_AT_START", "measure_startup"]

NETWORKS_AT_START = ("LeNet-5, batch 128", "B3, batch 128")

LATER_RUNS = 3


def measure_startup():
    """Seconds that first steps take beyond what a step takes anyway.

    Returns:
        A dictionary by network, and under ``"together"`` their sums: ``first_run`` with an empty cache,
        ``later_run`` the median of a few runs with a full one. The second network of a run uses what
        was compiled or loaded for the first one.
    """
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        runs = [run_module("startup", "--once", environment=environment) for _ in range(1 + LATER_RUNS)]
    for run in runs:
        run["together"] = sum(run.values())
    return {
        name: {"first_run": runs[0][name], "later_run": statistics.median(run[name] for run in runs[1:])}
        for name in runs[0]
    }


def _first_steps():
    """In this process: for each network the seconds of the first step less those of the second."""
    from benchmarks.networks import NETWORKS
    from benchmarks.training_steps import step_in_tinynet

    results = {}
    for name in NETWORKS_AT_START:
        _, step = step_in_tinynet(NETWORKS[name])
        times = [perf_counter()]
        for _ in range(2):
            step()
            times.append(perf_counter())
        results[name] = (times[1] - times[0]) - (times[2] - times[1])
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--once", action="store_true", help="measure this process alone")
    options = parser.parse_args()
    print(json.dumps(_first_steps() if options.once else measure_startup()))


if __name__ == "__main__":
    main()
