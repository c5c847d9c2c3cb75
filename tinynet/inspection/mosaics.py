"""Many small images side by side in one, and written to a file."""

import numpy as np

from tinynet.errors import ShapeError
from tinynet.inspection.figures import new_figure, save_figure

__all__ = ["around_zero", "greys_or_colours", "mosaic", "mosaics_picture", "stretched"]

BACKGROUND = (0.78, 0.87, 0.97)  # a pale blue: neither grey nor white, which images are full of
SMALLEST_TILE = 24
TINY = np.finfo(np.float64).tiny


def mosaic(images, columns=None):
    """Images in rows and columns on one sheet, as colours.

    Args:
        images: (M, H, W) greys or (M, H, W, 3) colours from 0 to 1; where they are NaN the sheet shows.
            Tiny ones are enlarged by whole factors, so that the gaps between them are narrow.
        columns: how many images there are in a row; about as many as rows if None.

    Returns:
        (rows · (h + gap) − gap, columns · (w + gap) − gap, 3), with h and w the enlarged sizes.
    """
    images = np.asarray(images, np.float64)
    if images.ndim == 3:
        images = np.repeat(images[..., np.newaxis], 3, axis=-1)
    factor = max(1, SMALLEST_TILE // max(images.shape[1:3]))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = images.shape
    gap = max(1, max(height, width) // 16)
    columns = columns or max(1, int(np.ceil(np.sqrt(count))))
    rows = max(1, -(-count // columns))
    sheet = np.tile(np.array(BACKGROUND), (rows * (height + gap), columns * (width + gap), 1))
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        place = sheet[top : top + height, left : left + width]
        np.copyto(place, image, where=~np.isnan(image))
    return sheet[: sheet.shape[0] - gap, : sheet.shape[1] - gap]


def stretched(images):
    """Numbers of any range brought to the range from 0 to 1, all images alike; NaN stays."""
    images = np.asarray(images, np.float64)
    known = images[~np.isnan(images)]
    if not known.size:
        return images
    return (images - known.min()) / max(np.ptp(known), TINY)


def around_zero(images):
    """Weights as shades: 0 becomes 0.5, and the largest number of each image, whatever its sign, 0 or 1."""
    images = np.asarray(images, np.float64)
    axes = tuple(range(1, images.ndim))
    largest = np.abs(images).max(axis=axes, keepdims=True, initial=TINY)
    return 0.5 + 0.5 * images / largest


def mosaics_picture(path, mosaics, titles=None, columns=1, title=None, inches=3.0):
    """Draws mosaics (or other images) side by side and writes them to a PNG file.

    Args:
        path: the file.
        mosaics: arrays (H, W) or (H, W, 3) of numbers from 0 to 1.
        titles: a text above each, or None.
        columns: how many there are in a row.
        title: a text above all of them, or None.
        inches: the longer side of each.

    Returns:
        The path.
    """
    rows = max(1, -(-len(mosaics) // columns))
    longest = max((max(sheet.shape[:2]) for sheet in mosaics), default=1)
    width = max((sheet.shape[1] for sheet in mosaics), default=1) * inches / longest
    height = max((sheet.shape[0] for sheet in mosaics), default=1) * inches / longest
    figure = new_figure(
        columns * (width + 0.15) + 0.15, rows * (height + (0.3 if titles else 0.1)) + (0.4 if title else 0.1)
    )
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    for index, (place, sheet) in enumerate(zip(axes, mosaics, strict=False)):
        place.imshow(sheet, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        if titles:
            place.set_title(titles[index], fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return save_figure(figure, path, dots_per_inch=150)


def greys_or_colours(function, images):
    """(M, H, W) of (M, H, W, 1), (M, H, W, 3) as they are. Raises ShapeError for others."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ShapeError(
            f"{function}: images should be (N, H, W, 1) or (N, H, W, 3), not of shape {images.shape}"
        )
    return images[..., 0] if images.shape[-1] == 1 else images
