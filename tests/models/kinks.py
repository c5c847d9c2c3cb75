"""How near a network of PyTorch comes to the kinks of its ReLUs and maximum poolings for some input.

There the gradient jumps: whichever way rounding sends a number that is all but 0, or two that are all but
equal, decides about a whole path through the network.
"""

import math


class TooNearError(Exception):
    """A number is nearer to a kink than is wanted."""


def is_far_from_kinks(torch, network, x, least):
    """Whether all numbers are so far from kinks, in units of the root mean square of those around them."""

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, _types, arguments=(), options=None):
            options = options or {}
            measure = DISTANCES.get(getattr(function, "__name__", None))
            if measure is not None:
                given = arguments[0].detach()
                size = given[given.isfinite()].square().mean().sqrt()
                distances = measure(torch, given, *arguments[1:], **options)
                if (distances < least * size).any():
                    raise TooNearError
            return function(*arguments, **options)

    try:
        with torch.no_grad(), Watch():
            network(x)
    except TooNearError:
        return False
    return True


def _from_zero(torch, x, **_options):
    return x.abs()


def _from_zero_or_six(torch, x, **_options):
    return torch.minimum(x.abs(), (x - 6).abs())


def _between_the_largest(torch, x, kernel_size, stride=None, padding=0, ceil_mode=False, **_options):
    """By how much the largest number of each window is above the next; zeros behind ReLUs may be equal."""
    assert not ceil_mode
    x = torch.nn.functional.pad(x, (padding,) * 4, value=-math.inf)
    stride = stride or kernel_size
    windows = x.unfold(2, kernel_size, stride).unfold(3, kernel_size, stride)
    first, second = windows.flatten(-2).topk(2).values.unbind(-1)
    return (first - second)[first > second]


DISTANCES = {
    "relu": _from_zero,
    "relu6": _from_zero_or_six,
    "hardtanh": _from_zero_or_six,  # what nn.ReLU6 calls
    "max_pool2d": _between_the_largest,
}
