"""What augmentations make of an image, on one sheet."""

import numpy as np

from tinynet.data.augmentation import (
    RandomAffine,
    RandomBrightness,
    RandomColorShift,
    RandomContrast,
    RandomErasing,
    RandomPrincipalColor,
    RandomResizedCrop,
    RandomRotation,
    RandomShear,
    RandomWarp,
)
from tinynet.data.datasets import sample_rng
from tinynet.data.transforms import Compose, RandomCrop, RandomHorizontalFlip
from tinynet.errors import ArgumentError, DTypeError
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.inspection.mosaics import greys_or_colours

__all__ = ["augmentation_picture", "usual_augmentations"]


def usual_augmentations(images):
    """One of each kind with customary amounts, as a dictionary from names to transforms.

    Args:
        images: (N, H, W, C), uint8 or floating-point: a data set, whose size and colours matter.
    """
    images = np.asarray(images)
    size = images.shape[1:3]
    border = tuple(max(1, length // 8) for length in size)
    # With the paper's deviation these shifts can hardly be seen; here they are a quarter of the scale.
    colour = RandomPrincipalColor.of_images(images)
    colour.deviation = 0.25 / max(float(colour.eigenvalues.max(initial=0)), 1e-3)
    return {
        "mirror": RandomHorizontalFlip(),
        "random crop of the padded image": RandomCrop(size, padding=border),
        "random crop, resized": RandomResizedCrop(size, area=(0.25, 1)),
        "rotation": RandomRotation(20),
        "shear": RandomShear(20),
        "local warping": RandomWarp(),
        "colour shift": RandomColorShift(0.15),
        "principal colours, exaggerated": colour,
        "brightness": RandomBrightness(0.5),
        "contrast": RandomContrast(0.7),
        "erasing": RandomErasing(1.0),
        "several of them": Compose(
            RandomHorizontalFlip(),
            RandomAffine(15, shear=10, scale=(0.8, 1.25), shift=0.1, border="reflect"),
            RandomWarp(0.03),
            RandomColorShift(0.1),
            RandomContrast(0.3),
            RandomErasing(0.5, area=(0.02, 0.15)),
        ),
    }


def augmentation_picture(path, image, augmentations=None, samples=6, seed=0):
    """Draws an image and, in a row for each augmentation, what that makes of it.

    Args:
        path: the PNG file to write.
        image: (H, W, 1) or (H, W, 3), uint8 or floating-point from 0 to 1.
        augmentations: a dictionary from names to transforms; None takes `usual_augmentations`.
        samples: how many results of each there are.
        seed: column ``i`` shows what a loader of this seed makes of sample 0 in epoch ``i``.

    Returns:
        The path.

    Raises:
        ArgumentError: there is nothing to draw.
        DTypeError: the image is neither uint8 nor floating-point.
        ShapeError: the image, or what becomes of it, has another shape.
        MissingExtraError: Matplotlib isn't installed.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise DTypeError(f"augmentation_picture: image should be uint8 or floating-point, not {image.dtype}")
    original = _displayed(image)
    if augmentations is None:
        augmentations = usual_augmentations(image[np.newaxis])
    if not augmentations or samples < 1:
        raise ArgumentError("augmentation_picture: at least one augmentation and one sample are needed")
    height = 1.2 * image.shape[0] / image.shape[1]
    figure = new_figure(1.2 * (samples + 1), (height + 0.25) * len(augmentations))
    axes = figure.subplots(len(augmentations), samples + 1, squeeze=False)
    for row, (name, transform) in zip(axes, augmentations.items(), strict=True):
        made = [_displayed(transform(image, sample_rng(seed, epoch, 0))) for epoch in range(samples)]
        for place, shown in zip(row, [original, *made], strict=True):
            place.set_axis_off()
            place.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        row[1].set_title(name, fontsize=8, loc="left")
    axes[0, 0].set_title("original", fontsize=8)
    return save_figure(figure, path, dots_per_inch=150)


def _displayed(image):
    """(H, W) or (H, W, 3), cut off at 0 and 1."""
    full = 255 if image.dtype == np.uint8 else 1
    return greys_or_colours("augmentation_picture", image[np.newaxis] / full)[0].clip(0, 1)
