"""Sums, differences, products, quotients, squares and roots: learnt in a range, asked for outside of it.

Source: Trask et al., "Neural arithmetic logic units", 2018, section 4.1 and table 1.
"""

import csv

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes.arithmetic.descent import descend, on_device
from tinynet.recipes.arithmetic.stacked import StackedLinear, StackedNAC, StackedNALU, sum_of_models
from tinynet.recipes.arithmetic.tables import markdown_table, write_markdown
from tinynet.recipes.arithmetic.tasks import NUMBERS, OPERATIONS, SECTIONS
from tinynet.recipes.base import Figure, Settings, Study

__all__ = ["ARITHMETIC", "KINDS", "Calculators", "measure", "train"]

SEEDS = 10
HIDDEN = 2
STEPS_PER_EPOCH = 1000
TEST_SAMPLES = 1000
KINDS = {"ReLU6": StackedLinear, "none": StackedLinear, "NAC": StackedNAC, "NALU": StackedNALU}
# Dense networks diverge at rates that make the weights of a NAC settle at −1, 0 and 1.
RATE_OF_DENSE_NETWORKS = 0.1
TASKS = {"numbers": NUMBERS, "sections": SECTIONS}

# A network has learnt an operation when its error outside is less than this share of that of a guess.
SOLVED = 1e-3

# What the paper says of each operation: which layers extrapolate it.
PAPER = dict.fromkeys(OPERATIONS, "NALU") | {"a + b": "NAC, NALU", "a − b": "NAC, NALU"}

COLUMNS = ("operation", "network", "seed", "error_inside", "error_outside")


class Calculators(nn.Module):
    """Networks of two layers, one for each operation and seed.

    Args:
        kind: a name in `KINDS`.
        seeds: how many networks there are for each operation.
        size: how many numbers they are given.
    """

    def __init__(self, kind, seeds, size):
        layer, operations = KINDS[kind], len(OPERATIONS)
        # All operations are given the same numbers, so that the units of a seed's networks lie side by side.
        self.first = layer((seeds,), size, operations * HIDDEN)
        self.second = layer((operations, seeds), HIDDEN, 1)
        self.activation = F.relu6 if kind == "ReLU6" else None

    def forward(self, x):
        """(seeds, N, size) → (operations, seeds, N, 1)."""
        hidden = self.first(x)
        hidden = hidden if self.activation is None else self.activation(hidden)
        hidden = hidden.reshape(*hidden.shape[:2], len(OPERATIONS), HIDDEN)
        return self.second(F.moveaxis(hidden, 2, 0))


def train(model, task, sections, settings, generator):
    """Trains on numbers from inside; the rate falls to nothing in the second half.

    Args:
        model: `Calculators`.
        task: a `Task`.
        sections: (seeds, size, 2), see `Task.draw_sections`.
        settings: a dictionary with epochs, of 1000 steps each, batch_size and learning_rate.
        generator: a `numpy.random.Generator`.
    """
    rate, steps = settings["learning_rate"], settings["epochs"] * STEPS_PER_EPOCH
    _, results = task.draw(sections, TEST_SAMPLES, task.inside, generator)
    # Products are hundreds of times larger than quotients; every operation shall count the same.
    scale = on_device(1 / np.sqrt(np.square(results).mean(axis=(2, 3), keepdims=True)))

    def draw_loss(_step):
        x, results = map(on_device, task.draw(sections, settings["batch_size"], task.inside, generator))
        return sum_of_models(F.square((model(x) - results) * scale))

    # A NALU may overflow and is then lost; it is counted as such, and the others don't notice.
    with np.errstate(over="ignore", invalid="ignore"):
        descend(optim.Adam(model.parameters(), lr=rate), steps, draw_loss)


def measure(model, x, results):
    """The mean squared error of each network: (operations, seeds), float64; inf where it overflows."""
    with tn.no_grad(), np.errstate(over="ignore", invalid="ignore"):
        difference = model(on_device(x)).numpy().astype(np.float64) - results
    return np.nan_to_num(np.square(difference).mean(axis=(2, 3)), nan=np.inf)


def _conduct(work):
    """Trains every kind of network from ten seeds and compares its errors with those of guessing the mean."""
    task, seed = TASKS[work.settings["data"]], work.settings["seed"]
    generator = np.random.default_rng(seed)
    sections = task.draw_sections(SEEDS, generator)
    tests = [task.draw(sections, TEST_SAMPLES, bounds, generator) for bounds in (task.inside, task.outside)]
    # An untrained network, with which the paper compares, is a poorer guess, and an untrained NALU overflows.
    guesses = [results.var(axis=(2, 3)) for _, results in tests]
    shares = {}
    for kind in KINDS:
        tn.manual_seed(seed)
        model = Calculators(kind, SEEDS, task.size)
        train(model, task, sections, _settings(kind, work.settings), np.random.default_rng(seed + 1))
        shares[kind] = [measure(model, *test) / guess for test, guess in zip(tests, guesses, strict=True)]
        work.say(f"{kind:6} " + ", ".join(_summary(name, shares[kind]) for name in OPERATIONS))
    _write(work, shares)
    return _results(shares)


def _settings(kind, settings):
    share = RATE_OF_DENSE_NETWORKS if KINDS[kind] is StackedLinear else 1
    return {**settings, "learning_rate": settings["learning_rate"] * share}


def _of(name, shares):
    """The errors in one operation as shares of those of a guess, inside and outside: (seeds,) each."""
    row = list(OPERATIONS).index(name)
    return shares[0][row], shares[1][row]


def _chosen(name, shares):
    """Inside and outside, of the seed that is best inside."""
    inside, outside = _of(name, shares)
    best = inside.argmin()
    return inside[best], outside[best]


def _solved(name, shares):
    """How many seeds have learnt the operation."""
    return int((_of(name, shares)[1] < SOLVED).sum())


def _summary(name, shares):
    return f"{name}: {_solved(name, shares)} of {len(shares[1][0])}"


_NAMES = dict(zip(OPERATIONS, ("sum", "difference", "product", "quotient", "square", "root"), strict=True))


def _results(shares):
    results = {}
    for kind in ("NAC", "NALU"):
        for operation, name in _NAMES.items():
            _, outside = _chosen(operation, shares[kind])
            if np.isfinite(outside):
                results[f"{kind.lower()}_{name}_error_outside"] = float(outside)
            results[f"{kind.lower()}_{name}_seeds"] = _solved(operation, shares[kind])
    return results


def _write(work, shares):
    rows = [
        (name, kind, seed, inside, outside)
        for kind in KINDS
        for name in OPERATIONS
        for seed, (inside, outside) in enumerate(zip(*_of(name, shares[kind]), strict=True))
    ]
    with open(work.folder / "errors.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    task = TASKS[work.settings["data"]]
    write_markdown(
        work.folder / "arithmetic.md",
        "Arithmetic inside and outside of the range of training",
        f"{task.size} numbers between {_range(task.inside)} in training, {_range(task.outside)} outside. "
        "Squared errors in per cent of those of always answering the mean; "
        f"of {SEEDS} seeds the one that is best inside.",
        _error_table("inside", shares, 0),
        _error_table("outside", shares, 1),
        f"How many of {SEEDS} seeds leave less than {SOLVED:.1%} of that error outside.",
        _seed_table(shares),
    )
    try:
        _draw(work.folder / "arithmetic.png", shares)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")


def _range(bounds):
    return f"{bounds[0]:g} and {bounds[1]:g}"


def _error_table(place, shares, part):
    rows = [(name, *(_percent(_chosen(name, shares[kind])[part]) for kind in KINDS)) for name in OPERATIONS]
    return markdown_table((place, *KINDS), rows)


def _percent(share):
    """In per cent, as the paper prints it, but with the digits that tell an exact answer from a good one."""
    per_cent = 100 * share
    return "overflow" if np.isinf(share) else f"{per_cent:.4f}" if per_cent < 10 else f"{per_cent:,.0f}"


def _seed_table(shares):
    rows = [(name, *(_solved(name, shares[kind]) for kind in KINDS), PAPER[name]) for name in OPERATIONS]
    return markdown_table(("", *KINDS, "extrapolated in the paper by"), rows)


def _draw(path, shares):
    """The error of each seed outside, as a share of that of a guess, a panel for each operation."""
    figure = new_figure(12, 4)
    panels = figure.subplots(1, len(OPERATIONS), sharey=True)
    for panel, name in zip(panels, OPERATIONS, strict=True):
        for place, kind in enumerate(KINDS):
            outside = np.clip(_of(name, shares[kind])[1], 1e-12, 1e3)
            panel.scatter(np.full(len(outside), place), outside, alpha=0.5, color=f"C{place}")
        panel.axhline(SOLVED, color="0.6", linestyle="--", linewidth=1)
        panel.set_title(name)
        panel.set_xticks(range(len(KINDS)), KINDS, rotation=60)
        panel.set_yscale("log")
    panels[0].set_ylabel("error outside / error of a guess")
    return save_figure(figure, path)


def _extrapolated(kind, name):
    return Figure(f"{kind}_{name}_error_outside", SOLVED, "goal of this project", "numbers", goal="at most")


ARITHMETIC = Study(
    name="nalu-arithmetic",
    title="x + y, x − y, x · y, x / y, x², √x by NAC, NALU and dense networks, inside and outside",
    source="Trask et al., Neural arithmetic logic units, section 4.1",
    settings={
        "numbers": Settings(epochs=10, batch_size=64, learning_rate=0.2),
        "sections": Settings(epochs=10, batch_size=64, learning_rate=0.05),
    },
    figures=(
        _extrapolated("nac", "sum"),
        _extrapolated("nac", "difference"),
        _extrapolated("nalu", "product"),
    ),
    conduct=_conduct,
)
