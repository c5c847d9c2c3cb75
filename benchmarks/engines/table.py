"""The table: a row for each engine, a column for each task."""

from benchmarks.comparison import OURS
from benchmarks.timing import Timing

__all__ = ["as_markdown"]

EXPLANATION = (
    "Time of a training step (forward, soft-max cross-entropy, backward, stochastic gradient descent) or of "
    "one operation in a chain (forward and backward), and in bold how many times as long as ours it is. "
    "Medians of rounds in which the engines took turns, each in a process of its own, ± half the distance "
    "between the quartiles; what takes seconds was timed once. All computed the same losses and gradients."
)


def as_markdown(results):
    """Everything that was measured as text.

    Args:
        results: machine, date, ``versions`` and ``problems`` by engine, and ``tasks``: by task and engine a
            `Timing`, or text where there is none.
    """
    machine, tasks = results["machine"], results["tasks"]
    rows = [["engine", *tasks], ["---"] * (1 + len(tasks))]
    for engine, versions in results["versions"].items():
        cells = [_cell(timings[engine], timings[OURS]) for timings in tasks.values()]
        rows.append([f"{engine} {versions[engine]}, NumPy {versions['numpy']}", *cells])
    for engine, problem in results["problems"].items():
        rows.append([f"{engine}: {problem}", *[""] * len(tasks)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    described = f"{machine['processor']}, {machine['cores']} cores. Measured on {results['date']}."
    return (
        "\n\n".join(["# tinynet and other engines in Python", described, EXPLANATION, "\n".join(lines)])
        + "\n"
    )


def _cell(timing, ours):
    if not isinstance(timing, Timing):
        return timing
    text = _time(timing)
    if timing is ours or not isinstance(ours, Timing):
        return text
    ratio = timing.median / ours.median
    return f"{text} **{ratio:.1f} ×**" if ratio < 10 else f"{text} **{ratio:.0f} ×**"


def _time(timing):
    factor, unit = (1e3, "ms") if timing.median >= 1e-4 else (1e6, "µs")
    if timing.low == timing.high:
        return f"{timing.median * factor:.0f} {unit}"
    return f"{timing.median * factor:.2f} ± {(timing.high - timing.low) / 2 * factor:.2f} {unit}"
