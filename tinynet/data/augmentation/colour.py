"""Colours and light: shifts of the channels, brightness, contrast."""

import numpy as np

from tinynet.data.augmentation.arguments import check_amount, full_scale, restored, shifted, working
from tinynet.data.transforms import check_image

__all__ = ["RandomBrightness", "RandomColorShift", "RandomContrast"]


class _OneAmount:
    """
    Raises:
        ArgumentError: `amount` is out of its range.
        DTypeError: in a call, when the image is neither uint8 nor floating-point.
    """

    def __init__(self, amount):
        self.amount = check_amount(type(self).__name__, "amount", amount, most=1)

    def __call__(self, x, rng):
        name = type(self).__name__
        check_image(name, x, leading=False)
        numbers = working(name, x)
        return restored(self.changed(numbers, full_scale(name, x), rng), x.dtype)

    def changed(self, x, scale, rng):
        raise NotImplementedError(f"{type(self).__name__} does not define changed")


class RandomColorShift(_OneAmount):
    __doc__ = f"""Adds a number of its own to each channel, from −`amount` to `amount` of the full scale.
    {_OneAmount.__doc__}"""

    def changed(self, x, scale, rng):
        return shifted(x, rng.uniform(-self.amount, self.amount, x.shape[-1]) * scale)


class RandomBrightness(_OneAmount):
    __doc__ = f"""Multiplies all numbers by one factor, from 1 − `amount` to 1 + `amount`.
    {_OneAmount.__doc__}"""

    def changed(self, x, scale, rng):
        return x * x.dtype.type(rng.uniform(1 - self.amount, 1 + self.amount))


class RandomContrast(_OneAmount):
    __doc__ = f"""Moves all numbers away from their mean, or towards it: mean + factor · (x − mean).

    The factor is drawn from 1 − `amount` to 1 + `amount`; the mean is that of all pixels and channels.
    {_OneAmount.__doc__}"""

    def changed(self, x, scale, rng):
        factor = x.dtype.type(rng.uniform(1 - self.amount, 1 + self.amount))
        mean = x.mean(dtype=np.float64).astype(x.dtype) if x.size else x.dtype.type(0)
        return mean + factor * (x - mean)
