"""Layers that set random parts of their input to zero in training, and do nothing in inference."""

from tinynet import functional as F
from tinynet.nn.arguments import fraction
from tinynet.nn.module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout2d"]


class _Dropout(Module):
    """
    Args:
        p: the probability of being dropped.
        generator: the source of the random numbers; the default generator if None.

    Raises ArgumentError unless p lies in [0, 1].
    """

    def __init__(self, p=0.5, *, generator=None):
        self.p = fraction(self, "p", p)
        self.generator = generator

    def extra_repr(self):
        return f"p={self.p}"


class Dropout(_Dropout):
    __doc__ = f"""Each number becomes 0 with probability p; the others are divided by 1 − p. Any shape.

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.
    {_Dropout.__doc__}"""

    def forward(self, x):
        return F.dropout(x, self.p, self.training, self.generator)


class Dropout2d(_Dropout):
    __doc__ = f"""Each channel of each image (N, H, W, C) becomes 0 with probability p, as in `Dropout`.

    J. Tompson et al., "Efficient object localization using convolutional networks", 2015.
    {_Dropout.__doc__}"""

    def forward(self, x):
        return F.dropout2d(x, self.p, self.training, self.generator)


class AlphaDropout(_Dropout):
    __doc__ = f"""Dropout for SELU networks, which keeps mean 0 and variance 1. Any shape.

    G. Klambauer et al., "Self-normalizing neural networks", 2017.
    {_Dropout.__doc__}"""

    def forward(self, x):
        return F.alpha_dropout(x, self.p, self.training, self.generator)
