"""How the window moves: the phases of a convolution and of its gradients as tables for the tasks.

See `tinynet_kernels.sweeps` for what a phase is. The positions of the targets of one phase on three axes are
called its *grid*.
"""

from functools import lru_cache
from itertools import product

from tinynet_kernels.sweeps import Phase, backward_phases, forward_phases
from tinynet_kernels.windows import Volume

__all__ = ["FIELDS", "Sweep", "forward_sweep", "input_sweeps"]

FIELDS = len(Phase._fields)


class Sweep:
    """The grid, the taps and their places on three axes.

    Attributes:
        numbers: what the tasks read, as a table of `FIELDS` rows, the fields of `Phase`, and three columns.
        grid, taps: the numbers of positions and of taps, 3-tuples.
        is_whole: whether the grid is the whole result.
    """

    __slots__ = ("grid", "is_whole", "numbers", "taps")

    def __init__(self, phases):
        self.numbers = tuple(number for field in zip(*phases, strict=True) for number in field)
        self.grid = tuple(phase.grid for phase in phases)
        self.taps = tuple(phase.taps for phase in phases)
        self.is_whole = all(phase.grid == phase.target for phase in phases)


@lru_cache(maxsize=1024)
def forward_sweep(input_size, kernel_size, stride, padding, dilation):
    """The sweep over the output positions of a convolution; the source is its input."""
    axes = Volume(input_size, kernel_size, stride, padding, dilation).axes
    return Sweep([phase for axis in axes for phase in forward_phases(*axis)])


@lru_cache(maxsize=1024)
def input_sweeps(input_size, kernel_size, stride, padding, dilation):
    """The sweeps that make up the input gradient, one per phase; the source is the output's gradient.

    Together they cover the input, except for phases that no tap reaches: there the gradient is 0.
    """
    axes = Volume(input_size, kernel_size, stride, padding, dilation).axes
    return [Sweep(phases) for phases in product(*[backward_phases(*axis) for axis in axes])]
