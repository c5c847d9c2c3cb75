"""The capsule network on handwritten digits; by default at a quarter of its width, to train in minutes."""

from dataclasses import replace

from tinynet import inspection, optim
from tinynet.data import RandomCrop
from tinynet.recipes.base import Figure, Recipe, Settings
from tinynet.recipes.parts import model_named, one_cycle

__all__ = ["CAPSNET"]

SHIFT = 2  # pixels in each direction, section 5 of the paper


def _adam(parameters, learning_rate):
    return optim.Adam(parameters, lr=learning_rate)


def _lengths(scores):
    """The lengths of the capsules are probabilities, each of one class: several may be there, or none."""
    return scores


def _draw_sweep(path, model, images, labels):
    inspection.capsule_sweep_picture(path, model, images[0], labels[0])


def _draw_routing(path, model, images, _labels):
    inspection.routing_picture(path, model, images[0])


def _figures(parameters, origin):
    return (
        Figure("parameters", parameters, origin),
        Figure("test_accuracy", 0.9909, "Implementing Capsule Network in Keras", data="mnist"),
    )


_REDUCED = Recipe(
    name="capsnet",
    title="Capsules, routed by agreement, and a decoder; a quarter of the width unless at full size",
    source="Sabour, Frosst, Hinton, Dynamic Routing Between Capsules; Implementing Capsule Network in Keras",
    settings={
        "mnist": Settings(epochs=3, batch_size=64, learning_rate=2e-3),
        "digits-28": Settings(epochs=20, batch_size=32, learning_rate=2e-3),
    },
    figures=_figures(2_117_072, "our count"),
    model=model_named("capsnet", width=0.25),
    optimizer=_adam,
    schedule=one_cycle,
    loss=None,
    probabilities=_lengths,
    augmentation=RandomCrop(28, padding=SHIFT),
    pictures={
        "reconstructions.png": inspection.reconstructions_picture,
        "sweep.png": _draw_sweep,
        "routing.png": _draw_routing,
    },
)

CAPSNET = replace(
    _REDUCED,
    full=replace(
        _REDUCED,
        settings={"mnist": Settings(epochs=2, batch_size=32, learning_rate=1e-3)},
        figures=_figures(8_215_568, "Implementing Capsule Network in Keras, its layers counted"),
        model=model_named("capsnet"),
    ),
)
