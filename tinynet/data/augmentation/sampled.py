"""An image drawn anew from the values of another one between its pixels."""

import numpy as np

from tinynet.data.augmentation.arguments import restored, working
from tinynet.data.transforms import check_image
from tinynet.errors import ArgumentError, ShapeError
from tinynet_kernels import sampling

__all__ = ["check_border", "sample_bilinear"]


def sample_bilinear(x, rows, columns, border="constant", fill=0):
    """The image whose pixel (i, j) is what `x` shows at (rows[i, j], columns[i, j]).

    Between pixels it is interpolated bilinearly. The centre of pixel (r, c) of `x` lies at row r, column c.

    Args:
        x: (H, W, C), uint8 or floating-point.
        rows, columns: the places, two arrays of one shape (H', W').
        border: what there is beyond the outermost pixels: ``"constant"``, pixels of the value `fill`;
            ``"edge"``, the outermost pixels repeated; ``"reflect"``, the image mirrored at them.
        fill: one number, or one for each channel.

    Returns:
        (H', W', C) of the same dtype; uint8 is rounded.

    Raises:
        ArgumentError: there is no such border.
        DTypeError: x is neither uint8 nor floating-point.
        ShapeError: shapes do not fit.
    """
    check_image("sample_bilinear", x, leading=False)
    check_border("sample_bilinear", border)
    numbers = working("sample_bilinear", x)
    places = (np.asarray(place, dtype=numbers.dtype) for place in (rows, columns))
    try:
        values = sampling.bilinear(numbers, *places, border, fill)
    except ValueError as error:
        raise ShapeError(str(error).replace("sampling.bilinear", "sample_bilinear")) from None
    return restored(values, x.dtype)


def check_border(name, border):
    """Raises ArgumentError where there is no such border."""
    if border not in sampling.BORDERS:
        raise ArgumentError(f"{name}: border should be one of {', '.join(sampling.BORDERS)}, not {border!r}")
