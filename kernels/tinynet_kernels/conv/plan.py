"""Which method computes a convolution: one small decision per shape, which can be asked for its reason.

The methods of the cpu take, all of which compute the same up to rounding (`conv.gpu_plan` has the GPU's):

* ``depthwise``: one channel at a time, `conv.depthwise`;
* ``product``: a 1 × 1 window is a plain matrix product, `tinynet_kernels.matmul`;
* ``pointwise``: the same where the sum is short and the images are large, `conv.pointwise`;
* ``winograd``: windows of 2 to 5 taps, or so many for each step of a stride, with fewer multiplications, 1/4
  of them at best, `conv.winograd`;
* ``windowed``: few channels, the windows are read where they are, `conv.windowed`;
* ``folded``: input gradients where that saves multiplications by zero, or scattered results, `conv.folded`;
* ``direct``: everything else, unfolded piece by piece in the cache, `conv.direct`.

Winograd's algorithms except F(2, 3) round about ten times as much as a plain sum of products, still below
2e-5 of the largest result; ``pinned("strict")`` does without them.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from math import prod
from typing import NamedTuple

from tinynet_kernels.conv import gpu_plan
from tinynet_kernels.conv.sweep import input_sweeps
from tinynet_kernels.dispatch import is_strict
from tinynet_kernels.windows import output_size

__all__ = ["OPERATIONS", "Plan", "observed_plans", "plan"]

OPERATIONS = ("forward", "input_gradient", "weight_gradient")

_MOST_STRETCH = 64  # elements that a line of the window sees; more of them are unfolded at little cost
_FEW_CHANNELS = 16

_SHORT_SUM = 128  # products of longer sums compute long enough for each element
_LARGE_PRODUCT = 4 << 20  # elements; smaller operands or results stay in a third-level cache

# Of input gradients, in multiply-adds. Measured on a Zen 4.
_FOLD_COST = 8  # of adding an element of a product to its place, in place of 1 for a multiply-add
_UNFOLD_COST = 1.2  # of a multiply-add of `direct`, whose operand has been unfolded

_ACCURATE_PLANES = 16  # of F(2, 3); algorithms with more positions round more

_observed = ContextVar("observed", default=None)


class Plan(NamedTuple):
    """How one operation is computed, and why.

    Attributes:
        method: ``"depthwise"``, ``"product"``, ``"pointwise"``, ``"winograd"``, ``"windowed"``, ``"folded"``
            or ``"direct"``; on the GPU one of those of `conv.gpu_plan`.
        tile, taps: the m and r of Winograd's F(m, r), 0 for other methods. If the window moves by more than
            one pixel, r is the number of its taps for each step.
        reason: a phrase.
        multiply_adds: of the definition; Winograd needs fewer.
    """

    method: str
    tile: int
    taps: int
    reason: str
    multiply_adds: int

    def __str__(self):
        return f"{self.name}: {self.reason}"

    @property
    def name(self):
        """The method, with its tile if it has one."""
        return f"{self.method} F({self.tile}, {self.taps})" if self.tile else self.method


def plan(operation, x_shape, weight_shape, stride, padding, dilation, groups, take="cpu"):
    """The `Plan` of one of `OPERATIONS` on x (N, *spatial, C) and weight (*kernel, C / groups, O).

    Args:
        take: ``"cpu"`` or ``"gpu"``, which have methods of their own.

    Raises:
        ValueError: there is no such operation, or the window does not fit.
    """
    if operation not in OPERATIONS:
        raise ValueError(f"plan: there is no operation {operation!r}; choose one of {', '.join(OPERATIONS)}")
    arguments = operation, x_shape, weight_shape, stride, padding, dilation, groups, take
    calls = _observed.get()
    if calls is not None:
        calls.append(arguments)
    return _plan(*arguments, _mode(take))


@contextmanager
def observed_plans():
    """Gives a list to which every call of `plan` inside the block adds its arguments, as a tuple.

    Convolutions by compiled kernels, on the CPU and on the GPU, ask for their plan. Holds for the current
    thread (or asynchronous task) only.
    """
    calls = []
    token = _observed.set(calls)
    try:
        yield calls
    finally:
        _observed.reset(token)


def _mode(take):
    """What a plan depends on besides the shapes."""
    if take == "cpu":
        return is_strict()
    from tinynet_kernels.cuda.modes import uses_own_products  # who has no GPU needs none of it

    return uses_own_products()


@lru_cache(maxsize=4096)
def _plan(operation, x_shape, weight_shape, stride, padding, dilation, groups, take, mode):
    output = output_size(x_shape[1:-1], weight_shape[:-2], stride, padding, dilation)
    multiply_adds = x_shape[0] * prod(output) * prod(weight_shape)
    choose = _choose if take == "cpu" else gpu_plan.choose
    method, tile, reason = choose(operation, x_shape, weight_shape, stride, padding, dilation, groups, mode)
    taps = _taps(weight_shape[:-2], stride) if tile else 0
    return Plan(method, tile, taps, reason, multiply_adds)


def _taps(kernel, stride):
    from tinynet_kernels.conv import winograd  # here, since it imports Numba

    return winograd.taps_of(kernel, stride)


def _choose(operation, x_shape, weight_shape, stride, padding, dilation, groups, strict):
    from tinynet_kernels.conv import winograd  # here, since it imports Numba

    kernel, channels = weight_shape[:-2], x_shape[-1]
    if groups == channels and groups > 1:
        return "depthwise", 0, "every output channel sees one input channel"
    if groups == 1 and prod(kernel) == prod(stride) == 1 and not any(map(any, padding)):
        return _product(operation, x_shape, weight_shape)
    if _windowed_serves(operation, channels, kernel, dilation, groups):
        stretch = kernel[-1] * channels
        return "windowed", 0, f"a line of the window sees only {stretch} elements"
    if winograd.serves(kernel, stride, dilation, groups):
        choice = _cheapest(operation, x_shape, weight_shape, stride, padding, strict)
    else:
        choice = "direct", 0, "no special method serves this window"
    if choice[0] == "direct" and operation == "input_gradient":
        return _folded_or_direct(choice, x_shape, weight_shape, stride, padding, dilation, groups)
    return choice


def _product(operation, x_shape, weight_shape):
    """Which of the two matrix products serves a window of one element."""
    channels, outputs = weight_shape[-2:]
    depth = outputs if operation == "input_gradient" else channels
    is_large = prod(x_shape[:-1]) * max(channels, outputs) >= _LARGE_PRODUCT
    if operation != "weight_gradient" and depth <= _SHORT_SUM and is_large:
        return "pointwise", 0, "a matrix product that computes little for each pixel read from memory"
    return "product", 0, "a window of one element makes it a matrix product"


def _windowed_serves(operation, channels, kernel, dilation, groups):
    is_possible = len(kernel) <= 2 and dilation[-1] == 1 and groups == 1
    # The input gradient is made window by window, which pays only where they are small.
    most_channels = _FEW_CHANNELS if operation == "input_gradient" or kernel == (3, 3) else _MOST_STRETCH
    return is_possible and 0 < kernel[-1] * channels <= _MOST_STRETCH and channels < most_channels


def _folded_or_direct(direct, x_shape, weight_shape, stride, padding, dilation, groups):
    """The better of the two ways to compute an input gradient; `direct` is the choice to return for one.

    Both multiply positions by taps: `folded` each output position by all taps of the window, `direct` each
    input position by those of its phase, many of which meet no output near the border.
    """
    geometry = x_shape[1:-1], weight_shape[:-2], stride, padding, dilation
    pairs = prod(output_size(*geometry)) * prod(weight_shape[:-2])
    sweeps = input_sweeps(*geometry)
    direct_pairs = sum(prod(sweep.grid) * prod(sweep.taps) for sweep in sweeps)
    outputs = weight_shape[-1] // groups
    cost, direct_cost = pairs * (outputs + _FOLD_COST), direct_pairs * outputs * _UNFOLD_COST
    if all(sweep.is_whole for sweep in sweeps) and cost > direct_cost:
        return direct
    if direct_pairs > pairs:
        return (
            "folded",
            0,
            f"direct would multiply {direct_pairs / pairs:.3g} times as much, the rest by zeros",
        )
    return "folded", 0, "adding up products costs less than unfolding the outputs"


def _cheapest(operation, x_shape, weight_shape, stride, padding, strict):
    """Direct or Winograd's convolution, whichever is estimated to cost the least."""
    from tinynet_kernels.conv import winograd

    kernel = weight_shape[:-2]
    tiles = winograd.tiles_for(kernel, stride)
    if strict:
        tiles = [m for m in tiles if winograd.number_of_planes(m, kernel, stride) <= _ACCURATE_PLANES]
    costs = {
        tile: winograd.estimated_cost(operation, x_shape, weight_shape, stride, padding, tile).total
        for tile in (0, *tiles)
    }
    best, taps = min(costs, key=costs.get), winograd.taps_of(kernel, stride)
    names = [f"F({tile}, {taps})" if tile else "direct" for tile in costs]
    billions = [f"{name} {cost / 1e9:.3g}" for name, cost in zip(names, costs.values(), strict=True)]
    reason = f"estimated cost in 10^9 operations: {', '.join(billions)}"
    return ("winograd" if best else "direct"), best, reason
