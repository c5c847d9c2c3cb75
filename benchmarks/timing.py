"""How all benchmarks measure: the candidates take turns in one run, and medians are compared.

On a shared machine the clock speed and the load drift over seconds. Measured one after the other, two
candidates meet different conditions; measured in turns, they meet the same.
"""

import gc
import json
import os
import platform
import statistics
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from time import perf_counter

__all__ = [
    "Timing",
    "calls_per_turn",
    "in_turns",
    "interleaved",
    "machine",
    "timed_turn",
    "write_json",
]


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the median over all rounds, and the quartiles as its spread."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds):
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, low, high)

    def per(self, count):
        """The same for each of `count` operations that one call performs."""
        return Timing(self.median / count, self.low / count, self.high / count)

    @property
    def spread(self):
        """Half the distance between the quartiles, as a fraction of the median."""
        return (self.high - self.low) / 2 / self.median


def _nothing():
    """What has to be done when a function is done as soon as it returns."""


def interleaved(functions, rounds=30, warmup=3, least_seconds=0.0, finish=_nothing):
    """Times functions in turns: each has one turn a round, beginning with another one every round.

    Args:
        functions: a dictionary of names and functions without arguments.
        rounds: how many turns of each are timed, at least 2.
        warmup: how many calls of each come first, untimed.
        least_seconds: a turn is one call or, of a function that is faster than this, as many calls as take
            about so long.
        finish: waits until all that was called is done. It is called once a turn, for functions that only
            start something.

    Returns:
        A dictionary of names and `Timing`, per call. Garbage is collected between turns, not during them,
        and every turn begins with one untimed call, which wakes the threads up.
    """
    calls = {
        name: calls_per_turn(function, warmup, least_seconds, finish) for name, function in functions.items()
    }
    seconds = in_turns(list(functions), rounds, lambda name: timed_turn(functions[name], calls[name], finish))
    return {name: Timing.of(measured) for name, measured in seconds.items()}


def in_turns(names, rounds, take_turn):
    """Has everybody take a turn in each round, beginning with another one every round.

    Args:
        names: whose turns they are.
        rounds: how many turns each has.
        take_turn: given a name, returns the seconds.

    Returns:
        A dictionary of names and lists of seconds.
    """
    seconds = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(take_turn(name))
    return seconds


def timed_turn(function, calls, finish=_nothing):
    """Seconds per call of a function, the mean over one turn of so many calls; see `interleaved`."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        gc.collect()
        function()
        finish()
        start = perf_counter()
        for _ in range(calls):
            function()
        finish()
        return (perf_counter() - start) / calls
    finally:
        if was_enabled:
            gc.enable()


def calls_per_turn(function, warmup, least_seconds, finish=_nothing):
    """Warms the function up; how many of its calls take about `least_seconds`, 1 if that is 0."""
    for _ in range(warmup):
        function()
    finish()
    if not least_seconds:
        return 1
    calls, elapsed = 1, 0.0
    while elapsed < least_seconds / 2:  # of one call alone the clock's start and end would be a part
        start = perf_counter()
        for _ in range(calls):
            function()
        finish()
        elapsed = perf_counter() - start
        if elapsed < least_seconds / 2:
            calls *= 2
    return max(1, round(calls * least_seconds / elapsed))


def machine(*packages):
    """What the figures depend on: processor, cores, system, settings, versions of Python and `packages`."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    settings = ("GOMP_", "KMP_", "MKL_", "NUMBA_", "OMP_", "OPENBLAS_")
    chosen = {name: value for name, value in os.environ.items() if name.startswith(settings)}
    chosen.pop("NUMBA_CACHE_DIR", None)  # says where, not how
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "environment": chosen,
    }


def write_json(path, results, quietly=False):
    """Writes results, in which a `Timing` becomes a dictionary, to a file, and says so."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2, default=asdict) + "\n")
    if not quietly:
        print(f"written to {path}", file=sys.stderr)


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    description = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in description:
        return platform.processor() or "unknown"
    # Virtual machines often hide the rest of the name; these numbers tell the generation all the same.
    numbers = [
        f"{name.split()[-1]} {description[name]}" for name in ("cpu family", "model") if name in description
    ]
    return f"{description['model name']} ({', '.join(numbers)})" if numbers else description["model name"]
