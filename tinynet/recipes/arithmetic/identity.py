"""What neural networks learn of the identity: to repeat the numbers that they were trained on, and no others.

Source: Trask et al., "Neural arithmetic logic units", 2018, section 1.1 and figure 1.
"""

import itertools
from dataclasses import replace

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import MissingExtraError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.recipes.arithmetic.descent import on_device
from tinynet.recipes.arithmetic.stacked import StackedLinear, StackedNAC, sum_of_models
from tinynet.recipes.arithmetic.tables import markdown_table, write_markdown
from tinynet.recipes.base import Figure, Settings, Study

__all__ = ["ACTIVATIONS", "IDENTITY", "Autoencoder"]

WIDTH = 8
TRAINED_UP_TO = 5
TESTED_UP_TO = 20
STEPS_PER_EPOCH = 1000
MODELS, MODELS_AT_FULL_SIZE = 20, 100

# How much of the error of an untrained network may be left outside of what was trained.
SOLVED = 1e-3


def tanhshrink(x):
    """What tanh takes off x."""
    return x - F.tanh(x)


def hardshrink(x):
    """x where |x| > 0.5, 0 elsewhere."""
    return F.where(F.abs(x) > 0.5, x, 0.0)


def softshrink(x):
    """x moved towards 0 by 0.5, at most to 0."""
    return x - F.clip(x, -0.5, 0.5)


class StackedPReLU(nn.PReLU):
    """`nn.PReLU` with a slope for each of many models."""

    def __init__(self, models):
        self.weight = nn.Parameter(np.full((models, 1, 1), 0.25, np.float32))

    def forward(self, x):
        return F.where(x > 0, x, self.weight * x)


ACTIVATIONS = {
    "Hardtanh": F.hard_tanh,
    "Sigmoid": F.sigmoid,
    "ReLU6": F.relu6,
    "Tanh": F.tanh,
    "Softsign": F.softsign,
    "Softplus": F.softplus,
    "Hardshrink": hardshrink,
    "Softshrink": softshrink,
    "Tanhshrink": tanhshrink,
    "SELU": F.selu,
    "ELU": F.elu,
    "ReLU": F.relu,
    "LeakyReLU": F.leaky_relu,
    "PReLU": StackedPReLU,
}

# Networks that are linear in their input come last: they can hold what they have learnt outside, too.
LINEAR = ("none", "NAC")


class Autoencoder(nn.Module):
    """Many networks that give back their input, (models, N, 1) → (models, N, 1).

    Three hidden layers of `WIDTH` units with an activation, and a dense layer without one; or four NAC.

    Args:
        kind: a name in `ACTIVATIONS`, "none" for no activation, or "NAC".
        models: how many networks.
    """

    def __init__(self, kind, models):
        layer = StackedNAC if kind == "NAC" else StackedLinear
        sizes = (1, WIDTH, WIDTH, WIDTH, 1)
        self.layers = nn.ModuleList(
            layer((models,), before, after) for before, after in itertools.pairwise(sizes)
        )
        self.kind = kind
        self.slopes = nn.ModuleList(StackedPReLU(models) for _ in range(3) if kind == "PReLU")

    def forward(self, x):
        *hidden, last = self.layers
        activations = self.slopes if self.kind == "PReLU" else [ACTIVATIONS.get(self.kind)] * 3
        for layer, activation in zip(hidden, activations, strict=True):
            x = layer(x)
            x = x if activation is None else activation(x)
        return last(x)


def train(model, models, settings, generator):
    """Trains all networks on numbers drawn from −5 to 5."""
    optimizer = optim.Adam(model.parameters(), lr=settings["learning_rate"])
    shape = (models, settings["batch_size"], 1)
    for _ in range(settings["epochs"] * STEPS_PER_EPOCH):
        x = generator.uniform(shape, -TRAINED_UP_TO, TRAINED_UP_TO)
        loss = sum_of_models(F.square(model(x) - x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def errors_at(model, points):
    """The absolute error at each of the points (P,), the mean over the networks: (P,)."""
    with tn.no_grad():
        outputs = model(on_device(points.astype(np.float32)[np.newaxis, :, np.newaxis])).numpy()
    return np.abs(outputs[..., 0] - points).mean(axis=0)


def means_of(points, errors):
    """The mean errors at the points inside of what was trained, and outside."""
    inside = np.abs(points) <= TRAINED_UP_TO
    return float(errors[inside].mean()), float(errors[~inside].mean())


def _conduct(work):
    """Trains networks of each kind and measures how far they are from the identity, inside and outside."""
    points = np.linspace(-TESTED_UP_TO, TESTED_UP_TO, 401)
    models = MODELS_AT_FULL_SIZE if work.settings["full"] else MODELS
    curves, shares = {}, {}
    for kind in (*ACTIVATIONS, *LINEAR):
        model = Autoencoder(kind, models)
        _, untrained = means_of(points, errors_at(model, points))
        train(model, models, work.settings, tn.Generator(work.settings["seed"]))
        curves[kind] = errors_at(model, points)
        inside, outside = means_of(points, curves[kind])
        shares[kind] = outside / untrained
        work.say(f"{kind:10}  mean error inside {inside:.2e}, outside {outside:.2e}")
    _write_table(work.folder / "identity.md", points, curves, shares)
    try:
        _draw(work.folder / "identity.png", points, curves)
    except MissingExtraError as error:
        work.say(f"no picture: {error}")
    return _results(points, curves, shares)


def _results(points, curves, shares):
    means = {kind: means_of(points, errors) for kind, errors in curves.items()}
    return {
        "nac_error_inside": means["NAC"][0],
        "nac_error_outside": means["NAC"][1],
        "nac_share_of_random_error": shares["NAC"],
        "least_error_outside_of_an_activation": min(means[kind][1] for kind in ACTIVATIONS),
        "activations_that_fail": sum(shares[kind] > SOLVED for kind in ACTIVATIONS),
    }


def _write_table(path, points, curves, shares):
    rows = []
    for kind in sorted(curves, key=lambda kind: -curves[kind].mean()):
        inside, outside = means_of(points, curves[kind])
        rows.append((kind, f"{inside:.2g}", f"{outside:.2g}", f"{100 * shares[kind]:.2g} %"))
    headings = ("activation", "error inside", "error outside", "share of the untrained error outside")
    write_markdown(
        path,
        "The identity, learnt from −5 to 5 and asked for from −20 to 20",
        "Mean absolute errors of autoencoders with three hidden layers of 8 units.",
        markdown_table(headings, rows),
    )


def _draw(path, points, curves):
    """The error over the number that was to be repeated."""
    figure = new_figure(9, 5)
    axes = figure.subplots()
    axes.axvspan(-TRAINED_UP_TO, TRAINED_UP_TO, color="0.92", label="trained")
    for index, (kind, errors) in enumerate(curves.items()):
        style = {"color": f"C{index % 10}", "linestyle": "-" if index < 10 else "--"}
        if kind == "NAC":
            style = {"color": "black", "linewidth": 2.5}
        axes.plot(points, errors, label=kind, **style)
    axes.set_yscale("log")
    axes.set(
        xlabel="the number", ylabel="mean absolute error", title="How far networks are from the identity"
    )
    figure.legend(loc="outside right upper")
    return save_figure(figure, path)


_IDENTITY = Study(
    name="nalu-identity",
    title="The identity outside of the numbers it was learnt from: 14 activations fail, NAC does not",
    source="Trask et al., Neural arithmetic logic units, section 1.1 and figure 1",
    settings={"drawn": Settings(epochs=3, batch_size=64, learning_rate=1e-2)},
    figures=(
        Figure("nac_share_of_random_error", SOLVED, "goal of this project", goal="at most"),
        Figure("activations_that_fail", len(ACTIVATIONS), "Trask et al., figure 1", goal="exactly"),
    ),
    conduct=_conduct,
)

IDENTITY = replace(_IDENTITY, full=replace(_IDENTITY, settings={"drawn": Settings(10, 64, 1e-2)}))
