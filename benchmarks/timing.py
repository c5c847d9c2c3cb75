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

__all__ = ["Timing", "interleaved", "machine", "write_json"]


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


def interleaved(functions, rounds=30, warmup=3):
    """Times functions in turns: each is called once a round, beginning with another one every round.

    Args:
        functions: a dictionary of names and functions without arguments.
        rounds: how many calls of each are timed, at least 2.
        warmup: how many calls of each come first, untimed.

    Returns:
        A dictionary of names and `Timing`. Garbage is collected between calls, not during them.
    """
    names = list(functions)
    for name in names:
        for _ in range(warmup):
            functions[name]()
    seconds = {name: [] for name in names}
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                function = functions[name]
                gc.collect()
                start = perf_counter()
                function()
                seconds[name].append(perf_counter() - start)
    finally:
        if was_enabled:
            gc.enable()
    return {name: Timing.of(measured) for name, measured in seconds.items()}


def machine(*packages):
    """What the figures depend on: processor, cores, operating system, versions of Python and `packages`."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def write_json(path, results):
    """Writes results, in which a `Timing` becomes a dictionary, to a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2, default=asdict) + "\n")
    print(f"written to {path}", file=sys.stderr)


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
