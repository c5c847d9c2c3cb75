"""The picture: how many times faster than PyTorch, a bar for each comparison.

python -m benchmarks.picture [RESULTS.json]       draws cpu.png again beside the results
"""

import json
import sys
from itertools import groupby
from pathlib import Path
from textwrap import fill

from benchmarks.comparison import Outcome
from benchmarks.report import describe_machine
from benchmarks.timing import Timing

__all__ = ["draw", "outcomes_from_json"]

TITLE = "tinynet against PyTorch on the CPU: how many times faster"

COLOURS = ("#2f6f9f", "#4f9bc9", "#9cc7e2")  # of the variants of one task
SLOWER = "#c8794a"  # where PyTorch is faster
WIDEST = 6.0  # longer bars are cut off; the number beside them tells
ROOM_FOR_TEXT = 1.65  # the width of the axes in longest bars

BAR, GAP, HEADING = 1.0, 0.5, 1.7  # heights, in bars
INCHES_PER_BAR = 0.17


def draw(path, results, outcomes, title=TITLE, caption=None):
    """Writes the picture of all outcomes that have a ratio and belong into a picture.

    Args:
        path: of the file; its ending decides on the format.
        results: as in `report.as_markdown`; the machine goes into the caption.
        outcomes: the `Outcome` of all comparisons.
        title, caption: what stands above and below; the caption is that of the CPU's results if None.
    """
    from matplotlib.figure import Figure

    shown = [outcome for outcome in outcomes if outcome.in_picture and outcome.ratio is not None]
    placed, headings, labels, height = _layout(shown)
    figure = Figure(figsize=(10, height * INCHES_PER_BAR + 1.6), layout="constrained")
    axes = figure.add_subplot()
    widest = min(WIDEST, max((outcome.ratio for outcome in shown), default=1))
    _draw_bars(axes, placed, widest)
    for y, text in headings:
        axes.text(
            -0.01, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center", weight="bold"
        )
    axes.set_yticks([y for y, _ in labels], [text for _, text in labels], fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.axvline(1, color="black", linewidth=1.2)
    axes.text(1, -BAR, " as fast as PyTorch", va="center", fontsize=8)
    axes.set_ylim(height, -BAR)
    axes.set_xlim(0, widest * ROOM_FOR_TEXT)
    axes.set_xticks(range(int(widest) + 1))
    axes.xaxis.grid(visible=True, color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.suptitle(title, fontsize=13, weight="bold")
    axes.set_xlabel(fill(caption or _caption(results, shown), 115), fontsize=8, color="#444444")
    figure.savefig(path, dpi=130)


def _layout(outcomes):
    """Where everything goes, from the top: bars (y, colour index, outcome), headings, labels; the height."""
    placed, headings, labels, y = [], [], [], 0.0
    for group, members in groupby(outcomes, key=lambda outcome: outcome.group):
        members = list(members)
        variants = list(dict.fromkeys(outcome.variant for outcome in members if outcome.variant))
        headings.append((y, group))
        y += HEADING
        for name, tasks in groupby(members, key=lambda outcome: outcome.name):
            first = y
            for outcome in tasks:
                placed.append((y, variants.index(outcome.variant) if outcome.variant else 0, outcome))
                y += BAR
            labels.append(((first + y - BAR) / 2, name))
            y += GAP
        y += GAP
    return placed, headings, labels, y


def _draw_bars(axes, placed, widest):
    for y, shade, outcome in placed:
        ratio = outcome.ratio
        length = min(ratio, widest)
        axes.barh(y, length, height=0.86 * BAR, color=COLOURS[shade % len(COLOURS)] if ratio >= 1 else SLOWER)
        _, rival = outcome.best_rival
        times = f"{_time(outcome.ours.median)} against {_time(rival.median)}"
        variant = f"{outcome.variant}: " if outcome.variant else ""
        # To the right of the line at 1, even where the bar ends before it.
        axes.text(
            max(length, 1) + 0.01 * widest,
            y,
            f"{ratio:.2f} ×   {variant}{times}",
            va="center_baseline",
            fontsize=7.5,
            color="#333333",
        )


def _time(seconds):
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def _caption(results, outcomes):
    is_compiled = any("compiled" in name for outcome in outcomes for name in outcome.seconds)
    manner = "the better of eager and compiled" if is_compiled else "eager"
    return (
        f"Time of PyTorch's faster memory format ({manner}, fused Adam) divided by ours; medians of "
        f"interleaved rounds. {describe_machine(results)}. {results['date']}."
    )


def outcomes_from_json(results):
    """The `Outcome` objects that were written to the JSON."""
    outcomes = []
    for entry in results["comparisons"]:
        seconds = {name: Timing(**timing) for name, timing in entry["seconds"].items()}
        outcomes.append(Outcome(**{**entry, "seconds": seconds}))
    return outcomes


if __name__ == "__main__":
    source = Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/results/cpu.json")
    stored = json.loads(source.read_text())
    draw(source.with_suffix(".png"), stored, outcomes_from_json(stored))
