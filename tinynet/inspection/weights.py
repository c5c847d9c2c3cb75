"""Weights as images: the filters of a convolution, the units of a dense layer, a whole dense network."""

from math import prod

import numpy as np

from tinynet import backend, nn
from tinynet.autograd import Tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection.mosaics import around_zero, greys_or_colours, mosaic, mosaics_picture

__all__ = ["dense_product", "dense_product_picture", "weights_picture"]


def weights_picture(path, weight, image_shape=None, units=64, columns=None):
    """Draws the weights of each unit as an image: grey is 0, black and white the strongest weights.

    Filters that see three channels are drawn in colour. Those that see another number of channels get a
    row for each filter, with one image for each channel.

    Args:
        path: the PNG file to write.
        weight: of a convolution, (kh, kw, C_in, C_out); or of a dense layer, (in, out).
        image_shape: (H, W), (H, W, 1) or (H, W, 3), what the inputs of a dense layer were before they were
            flattened; for a dense weight only.
        units: how many units are drawn at most, and how many channels of each.
        columns: how many images there are in a row.

    Returns:
        The path.

    Raises:
        ShapeError: the weight has another shape, or doesn't fit `image_shape`.
        MissingExtraError: Matplotlib isn't installed.
    """
    weight = backend.to_numpy(weight.data if isinstance(weight, Tensor) else np.asarray(weight))
    if weight.ndim == 2:
        images = _unit_images("weights_picture", weight, image_shape)[:units]
    elif weight.ndim == 4:
        images = np.moveaxis(weight, -1, 0)[:units, ..., :units] if weight.size else weight
    else:
        raise ShapeError(
            "weights_picture: weight should be (kh, kw, C_in, C_out), or (in, out) of a dense layer, not "
            f"of shape {weight.shape}"
        )
    if images.shape[-1] == 3:
        sheet = mosaic(around_zero(images), columns)
    else:
        channels = images.shape[-1]
        greys = np.moveaxis(around_zero(images), -1, 1).reshape(-1, *images.shape[1:3])
        sheet = mosaic(greys, columns if channels == 1 else channels)
    return mosaics_picture(path, [sheet], inches=6.0)


def dense_product(model):
    """The product of the weights of all dense layers, (in, out), float64: the network without what bends it.

    What each output would be made of if activations and biases were left out. It shows which pixels speak
    for which class, as far as a linear map can.

    Args:
        model: a module whose dense layers (`nn.Linear`) follow each other, in the order of their names.

    Raises:
        ArgumentError: there is no dense layer.
        ShapeError: a layer doesn't take as many numbers as the one before it gives.
    """
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ArgumentError(f"dense_product: {type(model).__name__} has no dense layer")
    product = None
    for name, layer in layers:
        weight = layer.weight.numpy().astype(np.float64)
        if product is not None and product.shape[1] != len(weight):
            raise ShapeError(
                f"dense_product: layer {name!r} takes {len(weight)} numbers, but the layer before it gives "
                f"{product.shape[1]}"
            )
        product = weight if product is None else product @ weight
    return product


def dense_product_picture(path, model, image_shape, class_names=None, columns=5):
    """Draws `dense_product` as one image for each output: what the network sees.

    Args:
        path: the PNG file to write.
        model: see `dense_product`.
        image_shape: (H, W), (H, W, 1) or (H, W, 3), what the inputs were before they were flattened.
        class_names: the name of each output; None shows the numbers.
        columns: how many images there are in a row.

    Returns:
        The path.

    Raises:
        ShapeError: the images don't fit the first layer.
        MissingExtraError: Matplotlib isn't installed.
    """
    product = dense_product(model)
    images = greys_or_colours(
        "dense_product_picture", _unit_images("dense_product_picture", product, image_shape)
    )
    class_names = class_names or [str(number) for number in range(len(images))]
    columns = min(columns, len(images))
    return mosaics_picture(
        path, list(around_zero(images)), class_names, columns, "What the network sees", inches=1.6
    )


def _unit_images(function, weight, image_shape):
    """The weights (in, out) of a dense layer as images (out, H, W, C)."""
    shape = tuple(image_shape) if image_shape is not None else ()
    shape = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) != 3 or prod(shape) != len(weight):
        raise ShapeError(
            f"{function}: the units of a dense weight of shape {weight.shape} need an image_shape of "
            f"{len(weight)} numbers, not {image_shape}"
        )
    return weight.T.reshape(-1, *shape)
