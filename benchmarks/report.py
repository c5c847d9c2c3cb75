"""The results as tables: what `python -m benchmarks` writes to cpu.md."""

from benchmarks.comparison import OURS
from benchmarks.timing import Timing

__all__ = ["as_markdown", "describe_machine"]


def describe_machine(results):
    """The machine and the versions in one line."""
    machine, peaks = results["machine"], results["peaks"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    return (
        f"{machine['processor']}, {machine['cores']} cores, {peaks['threads']} threads; "
        f"measured peak {max(peaks['flops'].values()) / 1e9:.0f} GFLOP/s in float32, "
        f"{peaks['bandwidth'] / 1e9:.0f} GB/s; Python {machine['python']}, {versions}"
    )


def as_markdown(results, outcomes):
    """All tables.

    Args:
        results: what stands in the JSON: machine, peaks, and the parts that are no comparisons.
        outcomes: the `Outcome` of all comparisons.
    """
    sections = [
        f"# tinynet on the CPU\n\n{describe_machine(results)}. Measured on {results['date']}.",
        "Medians of interleaved rounds, ± half the distance between the quartiles. *Ratio*: the median of "
        "PyTorch's fastest candidate divided by ours; above 1, tinynet is faster. *Of the peak*: what the "
        "task's formula has to compute, or to read and write, per second, as a part of the measured peak. "
        "Winograd's algorithm needs fewer multiplications than the formula and can be above 100 %.",
    ]
    for group in dict.fromkeys(outcome.group for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.group == group]
        sections.append(_comparison_table(group, rows, results["peaks"]))
    sections += [
        _memory_table(results),
        _interplay_table(results),
        _startup_table(results),
        _import_table(results),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _comparison_table(group, outcomes, peaks):
    candidates = list(dict.fromkeys(name for outcome in outcomes for name in outcome.seconds))
    candidates.sort(key=lambda name: name != OURS)
    header = [group, *(f"{name}, ms" for name in candidates), "ratio", "of the peak"]
    rows = []
    for outcome in outcomes:
        times = [_time(outcome.seconds.get(name)) for name in candidates]
        rows.append(
            [outcome.full_name, *times, _ratio(outcome), outcome.problem or part_of_peak(outcome, peaks)]
        )
    return _table(header, rows)


def part_of_peak(outcome, peaks):
    """How near ours comes to what bounds it, the multiply-adds or the bytes; empty if neither is known."""
    most_flops = max(peaks["flops"].values())
    bounds = {
        "FLOP/s": outcome.floating_operations / most_flops,
        "bandwidth": outcome.bytes / peaks["bandwidth"],
    }
    name, floor = max(bounds.items(), key=lambda bound: bound[1])
    if floor == 0 or outcome.ours is None:
        return ""
    return f"{floor / outcome.ours.median:.0%} of {name}"


def _memory_table(results):
    memory = results.get("memory")
    if not memory:
        return ""
    engines = list(dict.fromkeys(engine for peaks in memory.values() for engine in peaks))
    rows = [[name, *(_mebibytes(peaks.get(engine)) for engine in engines)] for name, peaks in memory.items()]
    return _table(["peak memory of a training step", *(f"{engine}, MiB" for engine in engines)], rows)


def _interplay_table(results):
    interplay = results.get("interplay")
    if not interplay:
        return ""
    rows = [
        [
            name,
            *(f"{seconds[key] * 1e3:.2f}" for key in ("kernel", "numpy", "alternating")),
            f"{seconds['lost']:+.0%}",
        ]
        for name, seconds in interplay.items()
    ]
    header = ["in turns with NumPy's product", "kernel, ms", "NumPy, ms", "in alternation, ms", "lost"]
    return _table(header, rows)


def _startup_table(results):
    startup = results.get("startup")
    if not startup:
        return ""
    rows = [
        [name, f"{seconds['first_run']:.1f}", f"{seconds['later_run']:.2f}"]
        for name, seconds in startup.items()
    ]
    return _table(["start-up", "first run (compiles), s", "later runs, s"], rows)


def _import_table(results):
    seconds = results.get("import")
    if not seconds:
        return ""
    row = [_time(Timing(**seconds[name])) for name in ("numpy", "tinynet", "difference")]
    return _table(["`import numpy`, ms", "`import tinynet`, ms", "difference, ms"], [row])


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _time(timing):
    if timing is None:
        return ""
    digits = 5 if timing.median < 1e-4 else 2
    return f"{timing.median * 1e3:.{digits}f} ± {(timing.high - timing.low) / 2 * 1e3:.{digits}f}"


def _ratio(outcome):
    return "" if outcome.ratio is None else f"**{outcome.ratio:.2f}**"


def _mebibytes(peak):
    return "" if peak is None else f"{peak['bytes'] / 2**20:.0f}"
