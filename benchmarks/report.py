"""The results as tables: what `python -m benchmarks` writes to cpu.md."""

from benchmarks.comparison import OURS, is_ours
from benchmarks.timing import Timing

__all__ = ["as_markdown", "comparison_table", "describe_machine", "part_of_peak", "table"]


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
        f"Medians of {results['rounds']} or more interleaved rounds, ± half the distance between the "
        "quartiles. *Ratio*: the median of PyTorch's fastest candidate divided by ours; above 1, tinynet is "
        "faster. *Of the peak*: what the task's formula has to compute, or to read and write, per second, "
        "as a part of the measured peak. "
        "Winograd's algorithm needs fewer multiplications than the formula and can be above 100 %. B3 is "
        "`tinynet.models.MnistConv`: two convolutions, pooling, two dense layers.",
    ]
    for group in dict.fromkeys(outcome.group for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.group == group]
        sections.append(comparison_table(group, rows, results["peaks"]))
    sections += [
        _memory_table(results),
        _interplay_table(results),
        _startup_table(results),
        _import_table(results),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def comparison_table(group, outcomes, peaks):
    """The table of the outcomes of a group."""
    candidates = list(dict.fromkeys(name for outcome in outcomes for name in outcome.seconds))
    candidates.sort(key=lambda name: (not is_ours(name), name != OURS))
    unit = _unit(timing for outcome in outcomes for timing in outcome.seconds.values())
    header = [group, *(f"{name}, {unit}" for name in candidates), "ratio", "of the peak"]
    rows = []
    for outcome in outcomes:
        times = [_time(outcome.seconds.get(name), unit) for name in candidates]
        rows.append(
            [outcome.full_name, *times, _ratio(outcome), outcome.problem or part_of_peak(outcome, peaks)]
        )
    return table(header, rows)


def part_of_peak(outcome, peaks):
    """How near ours comes to what bounds it, the multiply-adds or the bytes; empty if neither is known."""
    most_flops = peaks["flops"].get(outcome.precision) or max(peaks["flops"].values())
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
    header = [
        "peak memory of a training step",
        *(f"{engine}, MiB" for engine in engines),
        "of PyTorch's lower",
    ]
    rows = [
        [name, *(_mebibytes(peaks.get(engine)) for engine in engines), _part_of_lower(peaks)]
        for name, peaks in memory.items()
    ]
    return table(header, rows)


def _part_of_lower(peaks):
    """Our peak as a part of PyTorch's lower one; empty without PyTorch."""
    rivals = [peak["bytes"] for engine, peak in peaks.items() if engine != OURS]
    return f"{peaks[OURS]['bytes'] / min(rivals):.0%}" if rivals else ""


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
    header = [
        *("our kernel in alternation with NumPy's matrix product", "kernel alone, ms", "NumPy alone, ms"),
        *("one of each in turn, ms", "lost"),
    ]
    return table(header, rows)


def _startup_table(results):
    startup = results.get("startup")
    if not startup:
        return ""
    rows = [
        [name, f"{seconds['first_run']:.1f}", f"{seconds['later_run']:.2f}"]
        for name, seconds in startup.items()
    ]
    return table(["start-up", "first run (compiles), s", "later runs, s"], rows)


def _import_table(results):
    seconds = results.get("import")
    if not seconds:
        return ""
    row = [_time(Timing(**seconds[name])) for name in ("numpy", "tinynet", "difference")]
    return table(["`import numpy`, ms", "`import tinynet`, ms", "difference, ms"], [row])


def table(header, rows):
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _unit(timings):
    """Microseconds for tables in which nothing takes a tenth of a millisecond, milliseconds for others."""
    return "µs" if max((timing.median for timing in timings), default=1.0) < 1e-4 else "ms"


def _time(timing, unit="ms"):
    if timing is None:
        return ""
    factor = 1e6 if unit == "µs" else 1e3
    return f"{timing.median * factor:.2f} ± {(timing.high - timing.low) / 2 * factor:.2f}"


def _ratio(outcome):
    return "" if outcome.ratio is None else f"**{outcome.ratio:.2f}**"


def _mebibytes(peak):
    return "" if peak is None else f"{peak['bytes'] / 2**20:.0f}"
