"""The patches of images that excite a unit most: what a unit in the middle of a network looks for.

Source: M. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, figure 2.
"""

from dataclasses import dataclass

import numpy as np

from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection.layers import layer_outputs
from tinynet.inspection.mosaics import greys_or_colours, mosaic, mosaics_picture, stretched
from tinynet.inspection.receptive_fields import receptive_field

__all__ = ["ExcitingPatches", "exciting_patches", "exciting_patches_picture"]


@dataclass(frozen=True)
class ExcitingPatches:
    """The patches that excite one unit (channel) of a layer most, the strongest first.

    Attributes:
        unit: the channel.
        values: (count,), the activations.
        images: (count,) int64, in which image each patch lies; each image is used once.
        positions: (count, 2) int64, where in the layer's output the activation stands; (count, 0) for a
            layer without spatial axes.
        patches: (count, h, w, C), the receptive fields cut out of the images; NaN beyond their edges.
    """

    unit: int
    values: np.ndarray
    images: np.ndarray
    positions: np.ndarray
    patches: np.ndarray


def exciting_patches(model, images, layer, units, count=9, batch_size=64, shown=None):
    """For each of some units of a layer, the image patches for which its activation is the largest.

    Of each image only the position with the largest activation is considered. The patch is what the unit
    sees from there, its receptive field.

    Args:
        model: a module that takes images.
        images: (N, H, W, C), converted as `Trainer.predict` converts inputs.
        layer: the name of a layer that gives (N, H', W', units) or (N, units).
        units: the numbers of the units.
        count: how many patches there are for each unit.
        batch_size: how many images go through the model at once.
        shown: (N, H, W, C'), what the patches are cut out of, where people are to see other numbers than the
            model; None for the images themselves.

    Returns:
        A list of `ExcitingPatches`, one for each unit.

    Raises:
        UnknownNameError: there is no such layer.
        ShapeError: images or outputs of the layer have another number of axes, or `shown` another size.
        ArgumentError: there is no such unit, or the receptive field is not known.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ShapeError(f"exciting_patches: images should be (N, H, W, C), not of shape {images.shape}")
    shown = images if shown is None else np.asarray(shown)
    if shown.ndim != 4 or shown.shape[:3] != images.shape[:3]:
        raise ShapeError(
            f"exciting_patches: shown should have the N, H and W of images, {images.shape}, but its shape is "
            f"{shown.shape}"
        )
    field = receptive_field(model, images.shape[1:], layer)
    units = [int(unit) for unit in units]
    values, places = [], []
    for outputs in layer_outputs(model, images, [layer], batch_size):
        output = outputs[layer]
        _check(layer, output, units)
        chosen = output[..., units].reshape(len(output), -1, len(units))
        best = chosen.argmax(axis=1)
        values.append(np.take_along_axis(chosen, best[:, np.newaxis], axis=1)[:, 0])
        places.append(best)
    values, places = np.concatenate(values), np.concatenate(places)
    sizes = output.shape[1:-1]
    return [
        _strongest(unit, values[:, index], places[:, index], sizes, shown, field, count)
        for index, unit in enumerate(units)
    ]


def exciting_patches_picture(path, every, columns=6, titles=None):
    """Draws the patches of each unit as a block, three in a row when there are nine.

    Args:
        path: the PNG file to write.
        every: a list of `ExcitingPatches`, as `exciting_patches` gives it, of images with 1 or 3 channels.
        columns: how many blocks there are in a row.
        titles: a text above each block; the numbers of the units if None.

    Returns:
        The path.

    Raises:
        ShapeError: the patches have another number of channels.
        MissingExtraError: Matplotlib isn't installed.
    """
    blocks = []
    for one in every:
        patches = greys_or_colours("exciting_patches_picture", one.patches)
        blocks.append(mosaic(stretched(patches)))
    titles = titles or [f"unit {one.unit}" for one in every]
    return mosaics_picture(path, blocks, titles, min(columns, max(1, len(blocks))), inches=1.8)


def _check(layer, output, units):
    if output.ndim not in (2, 4):
        raise ShapeError(
            f"exciting_patches: layer {layer!r} gives shape {output.shape}, not (N, H, W, C) or (N, C)"
        )
    wrong = [unit for unit in units if not 0 <= unit < output.shape[-1]]
    if wrong:
        raise ArgumentError(
            f"exciting_patches: layer {layer!r} has units 0 to {output.shape[-1] - 1}, but no unit {wrong[0]}"
        )


def _strongest(unit, values, places, sizes, images, field, count):
    order = np.argsort(-values, kind="stable")[:count]
    positions = (
        np.stack(np.unravel_index(places[order], sizes), axis=1) if sizes else np.zeros((len(order), 0))
    )
    positions = positions.astype(np.int64)
    patches = [
        _cut_out(images[index], field.window(place)) for index, place in zip(order, positions, strict=True)
    ]
    return ExcitingPatches(unit, values[order], order, positions, np.stack(patches))


def _cut_out(image, window):
    """The part of an image (H, W, C) in a window, with NaN where the window reaches out of the image."""
    patch = np.full((*[stop - start for start, stop in window], image.shape[-1]), np.nan)
    inside = [
        (max(start, 0), min(stop, size)) for (start, stop), size in zip(window, image.shape, strict=False)
    ]
    if all(start < stop for start, stop in inside):
        source = tuple([slice(*pair) for pair in inside])
        target = tuple(
            [slice(low - start, high - start) for (low, high), (start, _) in zip(inside, window, strict=True)]
        )
        patch[target] = image[source]
    return patch
