"""The channels of a layer's output, as images."""

import numpy as np

from tinynet.errors import ShapeError
from tinynet.inspection.layers import activations
from tinynet.inspection.mosaics import mosaic, mosaics_picture, stretched

__all__ = ["feature_maps_picture"]


def feature_maps_picture(path, model, image, layers, channels=64, columns=None):
    """Draws what layers make of one image: for each layer a sheet with one grey image for each channel.

    Black is the smallest number of the layer's output and white the largest, so that channels can be
    compared; those that have nothing to say look flat.

    Args:
        path: the PNG file to write.
        model: a module that takes images (N, H, W, C).
        image: (H, W, C), converted as `Trainer.predict` converts inputs.
        layers: the names of layers that give (N, H, W, C), for example ``["conv1", "conv2"]``.
        channels: how many channels of each layer are drawn at most.
        columns: how many sheets there are in a row; all of them if None.

    Returns:
        The path.

    Raises:
        UnknownNameError: there is no such layer.
        ShapeError: the image or the output of a layer has another number of axes.
        MissingExtraError: Matplotlib isn't installed.
    """
    image = np.asarray(image)
    if image.ndim != 3:
        raise ShapeError(f"feature_maps_picture: image should be (H, W, C), not of shape {image.shape}")
    maps = activations(model, image[np.newaxis], layers)
    sheets, titles = [], []
    for name, output in maps.items():
        if output.ndim != 4:
            raise ShapeError(
                f"feature_maps_picture: layer {name!r} gives shape {output.shape}, not (N, H, W, C)"
            )
        sheets.append(mosaic(np.moveaxis(stretched(output[0, ..., :channels]), -1, 0)))
        height, width, count = output.shape[1:]
        shown = f", {channels} shown" if channels < count else ""
        titles.append(f"{name}: {height} × {width} × {count}{shown}")
    return mosaics_picture(path, sheets, titles, columns or max(1, len(sheets)))
