"""How the window moves: one description for the convolution, its input gradient and its weight gradient.

All three relate positions of a *grid* to elements of a *source* through the *taps* of the window. On each
axis, grid position i and tap j meet at source element ``i * step + start + j * spacing``. Walking backwards
through a convolution with stride s, an input element is reached only by those taps that agree with its
position modulo s: such elements form s grids of their own, one per *phase*, in which the taps are regular
again (Dumoulin & Visin, A guide to convolution arithmetic for deep learning, 2016).
"""

from functools import lru_cache
from itertools import product
from math import gcd
from typing import NamedTuple

from tinynet_kernels.windows import Volume

__all__ = ["FIELDS", "Sweep", "forward_sweep", "input_sweeps"]


class _Axis(NamedTuple):
    source: int  # elements of the source
    grid: int  # positions
    step: int  # source elements from one position to the next
    start: int  # the source element at position 0 and tap 0
    spacing: int  # source elements from one tap to the next, at least 1
    taps: int
    first_tap: int  # where tap 0 lies in the weight
    tap_hop: int  # steps in the weight from one tap to the next
    target: int  # elements of the result
    first_target: int  # where position 0 lies in the result
    target_hop: int  # elements of the result from one position to the next
    kernel: int  # taps of the weight


FIELDS = len(_Axis._fields)


class Sweep:
    """The grid, the taps and their places on three axes.

    Attributes:
        numbers: what the tasks read, as a table of `FIELDS` rows, the fields of `_Axis`, and three columns.
        grid, taps: the numbers of positions and of taps, 3-tuples.
        is_whole: whether the grid is the whole result.
    """

    __slots__ = ("grid", "is_whole", "numbers", "taps")

    def __init__(self, axes):
        self.numbers = tuple(number for field in zip(*axes, strict=True) for number in field)
        self.grid = tuple(axis.grid for axis in axes)
        self.taps = tuple(axis.taps for axis in axes)
        self.is_whole = all(axis.grid == axis.target for axis in axes)


@lru_cache(maxsize=1024)
def forward_sweep(input_size, kernel_size, stride, padding, dilation):
    """The sweep over the output positions of a convolution; the source is its input."""
    geometry = Volume(input_size, kernel_size, stride, padding, dilation)
    return Sweep(
        [
            _Axis(source, grid, step, -before, spacing, taps, 0, 1, grid, 0, 1, taps)
            for source, grid, step, before, spacing, taps in zip(
                geometry.input,
                geometry.output,
                geometry.stride,
                geometry.before,
                geometry.dilation,
                geometry.kernel,
                strict=True,
            )
        ]
    )


@lru_cache(maxsize=1024)
def input_sweeps(input_size, kernel_size, stride, padding, dilation):
    """The sweeps that make up the input gradient, one per phase; the source is the output's gradient.

    Together they cover the input, except for phases that no tap reaches: there the gradient is 0.
    """
    geometry = Volume(input_size, kernel_size, stride, padding, dilation)
    phases = [
        [axis for phase in range(step) if (axis := _phase(phase, step, *sizes)) is not None]
        for step, *sizes in zip(
            geometry.stride,
            geometry.input,
            geometry.output,
            geometry.before,
            geometry.dilation,
            geometry.kernel,
            strict=True,
        )
    ]
    return [Sweep(axes) for axes in product(*phases)]


def _phase(phase, stride, size, output, before, dilation, kernel):
    """The axis of the input elements ``phase, phase + stride, …``, or None if no window covers them."""
    taps = [tap for tap in range(kernel) if (phase + before - tap * dilation) % stride == 0]
    grid = -(-(size - phase) // stride)
    if not taps or grid < 1:
        return None
    # The last tap comes first, so that the source elements come in increasing order.
    start = (phase + before - taps[-1] * dilation) // stride
    hop = stride // gcd(stride, dilation)
    spacing = dilation // gcd(stride, dilation)
    return _Axis(output, grid, 1, start, spacing, len(taps), taps[-1], -hop, size, phase, stride, kernel)
