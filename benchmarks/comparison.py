"""A comparison: one task that tinynet and PyTorch perform in turns, and what came out of it."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks import place
from benchmarks.timing import interleaved

__all__ = [
    "OURS",
    "Comparison",
    "DisagreementError",
    "Outcome",
    "check_agreement",
    "chosen",
    "is_ours",
    "measure",
    "run_alone",
    "show",
    "shown",
]

OURS = "tinynet"

LEAST_SECONDS = 0.02  # what is timed in one go lasts at least so long


class DisagreementError(AssertionError):
    """The candidates of a comparison do not compute the same."""


@dataclass(frozen=True)
class Comparison:
    """A task for several candidates.

    Attributes:
        name: the task.
        group: the heading under which it stands.
        prepare: gives a dictionary of candidates, ours under `OURS` and those of PyTorch under other names:
            functions without arguments. Called when the measurement begins, so that memory is only held
            as long as it takes; checks that the candidates agree.
        floating_operations: how many additions and multiplications the task's formula has, 0 if they are
            not what it takes time for.
        bytes: how many bytes it has to read and write at the least, 0 if they are not.
        variant: what distinguishes tasks of the same name, such as the direction of a convolution.
        precision: of products, where the machine has a peak for each: a key of its peaks.
        in_picture: whether the picture shows it; the tables show everything.
    """

    name: str
    group: str
    prepare: Callable
    floating_operations: int = 0
    bytes: int = 0
    variant: str = ""
    precision: str = ""
    in_picture: bool = True

    @property
    def full_name(self):
        return f"{self.name}: {self.variant}" if self.variant else self.name


@dataclass(frozen=True)
class Outcome:
    """What a comparison came to: a `Timing` for each candidate, and what the task consists of.

    Attributes:
        problem: how the candidates disagreed; nothing was timed then.

    The others are those of `Comparison`.
    """

    name: str
    group: str
    seconds: dict
    floating_operations: int = 0
    bytes: int = 0
    variant: str = ""
    precision: str = ""
    in_picture: bool = True
    problem: str | None = None

    full_name = Comparison.full_name

    @property
    def ours(self):
        """The `Timing` of ours, the fastest if there are several, or None."""
        own = [timing for name, timing in self.seconds.items() if is_ours(name)]
        return min(own, key=lambda timing: timing.median, default=None)

    @property
    def best_rival(self):
        """Name and `Timing` of PyTorch's fastest candidate, or None."""
        rivals = [(name, timing) for name, timing in self.seconds.items() if not is_ours(name)]
        return min(rivals, key=lambda rival: rival[1].median, default=None)

    @property
    def ratio(self):
        """How many times faster ours is than PyTorch's fastest candidate, or None."""
        if self.best_rival is None or self.ours is None:
            return None
        return self.best_rival[1].median / self.ours.median


def is_ours(name):
    """Whether a candidate is tinynet, or tinynet in one of several ways: ``"tinynet, captured"``."""
    return name.partition(",")[0] == OURS


def chosen(comparisons, words):
    """The comparisons in whose group or name one of the words occurs; all of them if there are no words."""
    if not words:
        return comparisons
    return [
        comparison
        for comparison in comparisons
        if any(word.lower() in f"{comparison.group} {comparison.full_name}".lower() for word in words)
    ]


def measure(comparisons, rounds, least_seconds=LEAST_SECONDS):
    """Yields the `Outcome` of one comparison after the other, also of those whose candidates disagree."""
    for comparison in comparisons:
        seconds, problem = {}, None
        try:
            seconds = interleaved(
                comparison.prepare(), rounds, least_seconds=least_seconds, finish=place.finish
            )
        except DisagreementError as error:
            problem = str(error)
        description = {name: value for name, value in vars(comparison).items() if name != "prepare"}
        yield Outcome(**description, seconds=seconds, problem=problem)


def check_agreement(arrays, tolerance):
    """Raises DisagreementError if candidates gave different numbers.

    Args:
        arrays: names and results, ours under `OURS`: NumPy arrays, all in our layout.
        tolerance: for the root mean square of the difference, relative to that of the numbers. It is larger
            where products are less exact, see `place.on`.
    """
    tolerance = max(tolerance, place.least_tolerance())
    ours = arrays[OURS]
    for name, theirs in arrays.items():
        if ours.shape != theirs.shape:
            raise DisagreementError(f"tinynet gave the shape {ours.shape} but {name} {theirs.shape}")
        difference = np.linalg.norm((ours - theirs).ravel()) / np.linalg.norm(theirs.ravel())
        if not difference <= tolerance:
            raise DisagreementError(f"tinynet and {name} differ by {difference:.1e} of the numbers' size")


def show(outcomes):
    """Prints a line per outcome as it arrives: times, their spread, and the ratio. Returns a list."""
    return list(shown(outcomes))


def shown(outcomes):
    """Prints a line per outcome as it arrives, and then yields it."""
    group = None
    for outcome in outcomes:
        if outcome.group != group:
            group = outcome.group
            print(f"\n{group}")
        columns = [f"{name} {_time(timing)}" for name, timing in outcome.seconds.items()]
        ratio = "" if outcome.ratio is None else f"{outcome.ratio:5.2f} ×  "
        print(f"  {outcome.full_name:56}{ratio}{outcome.problem or '   '.join(columns)}", flush=True)
        yield outcome


def _time(timing):
    factor, unit = (1e6, "µs") if timing.median < 1e-4 else (1e3, "ms")
    return f"{timing.median * factor:.3g} ± {(timing.high - timing.low) / 2 * factor:.1g} {unit}"


def run_alone(description, comparisons):
    """The command line of a module: measures what its function ``comparisons(full)`` gives, and prints it."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="how many turns of each are timed")
    parser.add_argument("--only", metavar="NAME", action="append", help="only what has this in its name")
    parser.add_argument("--full", action="store_true", help="more shapes")
    options = parser.parse_args()
    show(measure(chosen(comparisons(options.full), options.only), options.rounds))
