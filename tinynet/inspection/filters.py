"""Filters made by hand: what convolutions found before they learnt what to look for.

A filter is bright on one side and dark on the other; where the image is too, the response is positive, and
where it is the other way round, negative. As in all convolutions here, the filter isn't turned over: this is
what mathematics calls a cross-correlation.
"""

import numpy as np

from tinynet import functional as F
from tinynet.autograd import no_grad
from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection.mosaics import around_zero, mosaics_picture, stretched

__all__ = ["FILTERS", "filter_image", "filters_picture", "greys"]

# The weights of the upper, middle and lower row; Prewitt's are all alike.
_ROW_WEIGHTS = {"": (1, 1, 1), "sobel ": (1, 2, 1), "scharr ": (3, 10, 3)}
_VERTICAL = {name: np.outer(weights, (1, 0, -1)).astype(np.float64) for name, weights in _ROW_WEIGHTS.items()}

FILTERS = {
    **{f"{name}vertical": matrix for name, matrix in _VERTICAL.items()},
    **{f"{name}horizontal": matrix.T for name, matrix in _VERTICAL.items()},
}

# How bright the three colours look, ITU-R Recommendation BT.601.
_BRIGHTNESS = np.array([0.299, 0.587, 0.114])


def filter_image(image, kernel):
    """The response of one filter at every place of an image where it fits.

    Args:
        image: (H, W) greys, (H, W, 1), or (H, W, 3) colours, of which the brightness counts.
        kernel: (kh, kw), or a name: vertical, horizontal, and both with "sobel " or "scharr " before.

    Returns:
        (H − kh + 1, W − kw + 1), float64: Σ image[i + p, j + q] · kernel[p, q].

    Raises:
        ArgumentError: there is no filter of that name.
        ShapeError: the image or the kernel has another shape, or the image is too small.
    """
    image, kernel = greys(image), _matrix(kernel)
    with no_grad():
        response = F.conv2d(image[np.newaxis, ..., np.newaxis], kernel[..., np.newaxis, np.newaxis])
    return response.numpy()[0, ..., 0]


def filters_picture(path, image):
    """Draws an image, the response of every filter (grey is 0), and the strength of the edges.

    The strength is the length of the gradient that the two filters of a pair measure, √(v² + h²).

    Args:
        path: the PNG file to write.
        image: as `filter_image` takes it.

    Returns:
        The path.

    Raises:
        ShapeError: the image has another shape, or is too small.
        MissingExtraError: Matplotlib isn't installed.
    """
    image = greys(image)
    sheets, titles = [], []
    for name in _ROW_WEIGHTS:
        vertical, horizontal = (
            filter_image(image, f"{name}{direction}") for direction in ("vertical", "horizontal")
        )
        strength = np.hypot(vertical, horizontal)
        sheets += [stretched(image[1:-1, 1:-1]), *around_zero(np.stack([vertical, horizontal]))]
        sheets.append(stretched(strength))
        titles += ["image", f"{name}vertical", f"{name}horizontal", f"{name}strength"]
    return mosaics_picture(path, sheets, titles, columns=4, title="Edges, by filters made by hand")


def greys(image):
    """The brightness of an image, (H, W), float64. Raises ShapeError for what is no image."""
    image = np.asarray(image, np.float64)
    if image.ndim == 2:
        return image
    if image.ndim == 3 and image.shape[-1] in (1, 3):
        return image[..., 0] if image.shape[-1] == 1 else image @ _BRIGHTNESS
    raise ShapeError(
        f"filter_image: image should be (H, W), (H, W, 1) or (H, W, 3), not of shape {image.shape}"
    )


def _matrix(kernel):
    if isinstance(kernel, str):
        if kernel not in FILTERS:
            raise ArgumentError(f"filter_image: no filter {kernel!r}; there are {', '.join(FILTERS)}")
        return FILTERS[kernel]
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 2:
        raise ShapeError(f"filter_image: kernel should be (kh, kw), not of shape {kernel.shape}")
    return kernel
