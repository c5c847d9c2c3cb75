"""Cats and dogs: VGG-16 from scratch on 50 × 50 pixels, MobileNet on 96 × 96.

Source: S. Dey, "Deep Learning Models in Image Processing" (chapter 10 of a book on image processing).
"""

from dataclasses import replace

from tinynet import optim
from tinynet.data import Compose, RandomCrop, RandomHorizontalFlip
from tinynet.recipes.base import Figure, Pixels, Recipe, Settings
from tinynet.recipes.parts import adamw, model_named, one_cycle

__all__ = ["MOBILENET", "VGG_16"]


def _adam(parameters, learning_rate):
    return optim.Adam(parameters, lr=learning_rate, epsilon=1e-7)


_VGG_16 = Recipe(
    name="vgg16-cats-dogs",
    title="VGG-16 from scratch on cats and dogs",
    source="Dey, Classifying Cat/Dog images using VGG-16 in Keras",
    settings={"cats-dogs": Settings(epochs=20, batch_size=32, learning_rate=2e-4)},
    figures=(
        Figure("parameters", 33_605_442, "Dey, chapter 10"),
        Figure("test_accuracy", 0.7838, "Dey, chapter 10: 20,000 + 5,000 photographs", data="cats-dogs"),
    ),
    model=model_named("vgg16"),
    optimizer=adamw(0.05),
    schedule=one_cycle,
    pixels=Pixels(mean=(0.5,) * 3, deviation=(0.25,) * 3),
    augmentation=Compose(RandomCrop(50, padding=4), RandomHorizontalFlip()),
)

# As the listing has it: bytes as they come, no augmentation, a rate that never changes, 20,000 photographs.
VGG_16 = replace(
    _VGG_16,
    full=replace(
        _VGG_16,
        settings={"cats-dogs": Settings(epochs=20, batch_size=256, learning_rate=1e-6)},
        optimizer=_adam,
        schedule=None,
        pixels=Pixels(largest=255),
        augmentation=None,
    ),
)

MOBILENET = Recipe(
    name="mobilenet-cats-dogs",
    title="MobileNet v1 of half the width, from scratch on cats and dogs",
    source="Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision",
    settings={"cats-dogs-96": Settings(epochs=30, batch_size=32, learning_rate=4e-3)},
    figures=(),
    model=model_named("mobilenet-v1", width=0.5, dropout=0.2),
    optimizer=adamw(0.05),
    schedule=one_cycle,
    pixels=Pixels(mean=(0.5,) * 3, deviation=(0.5,) * 3),
    augmentation=Compose(RandomCrop(96, padding=8), RandomHorizontalFlip()),
)
