"""Convolutions by their definition: every window gathered, or every element spread, by an explicit loop."""

from itertools import product

import numpy as np

from operation_table.core import Operation, normal, sample


def pairs_of(padding, size, kernel, stride, dilation):
    """Padding in any of its forms as (before, after) pairs."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        totals = [
            max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
        ]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, int):
        padding = (padding,) * len(size)
    if len(size) == 1 and len(padding) == 2:
        padding = (padding,)
    return [(part, part) if isinstance(part, int) else part for part in padding]


def every(value, dimensions):
    return (value,) * dimensions if isinstance(value, int) else value


def correlate(x, weight, starts, output, stride, dilation, groups):
    """The weighted sum of each window; the first window begins at -starts."""
    kernel = weight.shape[:-2]
    spread = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    needed = [(o - 1) * s + e for o, s, e in zip(output, stride, spread, strict=True)]
    surplus = [(b, max(n - b - size, 0)) for b, n, size in zip(starts, needed, x.shape[1:-1], strict=True)]
    padded = np.pad(x, [(0, 0), *surplus, (0, 0)])
    y = np.zeros((len(x), *output, weight.shape[-1]))
    inputs, outputs = weight.shape[-2], weight.shape[-1] // groups
    for place, group in product(np.ndindex(*output), range(groups)):
        window = tuple(
            [slice(p * s, p * s + e, d) for p, s, e, d in zip(place, stride, spread, dilation, strict=True)]
        )
        seen = padded[(slice(None), *window, slice(group * inputs, (group + 1) * inputs))]
        made = slice(group * outputs, (group + 1) * outputs)
        y[(slice(None), *place, made)] = np.tensordot(seen, weight[..., made], weight.ndim - 1)
    return y


def convolve(x, weight, bias=0.0, stride=1, padding=0, dilation=1, groups=1, activation=None):
    dimensions, kernel = x.ndim - 2, weight.shape[:-2]
    stride, dilation = every(stride, dimensions), every(dilation, dimensions)
    pairs = pairs_of(padding, x.shape[1:-1], kernel, stride, dilation)
    output = [
        (n + sum(pair) - d * (k - 1) - 1) // s + 1
        for n, pair, k, s, d in zip(x.shape[1:-1], pairs, kernel, stride, dilation, strict=True)
    ]
    y = correlate(x, weight, [before for before, _ in pairs], output, stride, dilation, groups) + bias
    return np.maximum(y, 0) if activation == "relu" else y


def convolve_transposed(x, weight, bias=0.0, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    """Every element of x, times the kernel, is added at its place; then the borders are cut off."""
    dimensions, kernel = x.ndim - 2, weight.shape[:-2]
    stride, dilation = every(stride, dimensions), every(dilation, dimensions)
    spread = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    extra = every(output_padding, dimensions)
    if isinstance(padding, str):
        extra = [n + max(s - e, 0) for n, s, e in zip(extra, stride, spread, strict=True)]
    target = [n * s for n, s in zip(x.shape[1:-1], stride, strict=True)]
    pairs = pairs_of(padding, target, kernel, stride, dilation)
    full = [(n - 1) * s + e + m for n, s, e, m in zip(x.shape[1:-1], stride, spread, extra, strict=True)]
    made = weight.shape[-2]
    y = np.zeros((len(x), *full, made * groups))
    for place, k in product(np.ndindex(*x.shape[1:-1]), np.ndindex(*kernel)):
        target = tuple([p * s + i * d for p, s, i, d in zip(place, stride, k, dilation, strict=True)])
        for group, channels in enumerate(np.split(np.arange(x.shape[-1]), groups)):
            part = x[(slice(None), *place)][:, channels] @ weight[k][:, channels].T
            y[(slice(None), *target, slice(group * made, (group + 1) * made))] += part
    inside = [slice(before, n - after) for (before, after), n in zip(pairs, full, strict=True)]
    return y[(slice(None), *inside)] + bias


def channels_first(x):
    return x.movedim(-1, 1)


def torch_convolve(torch, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, activation=None):
    dimensions, kernel = x.ndim - 2, weight.shape[:-2]
    pairs = pairs_of(padding, x.shape[1:-1], kernel, every(stride, dimensions), every(dilation, dimensions))
    widths = [width for pair in reversed(pairs) for width in pair]
    x = torch.nn.functional.pad(channels_first(x), widths)
    function = getattr(torch.nn.functional, f"conv{dimensions}d")
    weight = weight.movedim(-1, 0).movedim(-1, 1)
    y = function(x, weight, bias, stride, 0, dilation, groups).movedim(1, -1)
    return torch.relu(y) if activation == "relu" else y


def torch_convolve_transposed(
    torch, x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1, groups=1
):
    """PyTorch without padding makes all of the output; what is to be cut off is cut off here."""
    dimensions, kernel = x.ndim - 2, weight.shape[:-2]
    stride, dilation = every(stride, dimensions), every(dilation, dimensions)
    spread = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    extra = every(output_padding, dimensions)
    if isinstance(padding, str):
        extra = [n + max(s - e, 0) for n, s, e in zip(extra, stride, spread, strict=True)]
    target = [n * s for n, s in zip(x.shape[1:-1], stride, strict=True)]
    pairs = pairs_of(padding, target, kernel, stride, dilation)
    function = getattr(torch.nn.functional, f"conv_transpose{dimensions}d")
    weight = weight.movedim(-1, 0).movedim(-1, 1)
    y = function(channels_first(x), weight, bias, stride, 0, tuple(extra), groups, dilation).movedim(1, -1)
    inside = [slice(before, n - after) for (before, after), n in zip(pairs, y.shape[1:-1], strict=True)]
    return y[(slice(None), *inside)]


OPERATIONS = [
    Operation(
        "conv1d",
        (
            sample(normal(2, 6, 2), normal(3, 2, 3), normal(3)),
            sample(normal(2, 7, 2), normal(3, 2, 2), stride=2, padding="same"),
            sample(normal(1, 7, 2), normal(3, 1, 2), normal(2), padding=(1, 2), dilation=2, groups=2),
            sample(normal(2, 6, 2), normal(3, 2, 3), normal(3), padding=1, activation="relu"),
        ),
        convolve,
        torch_convolve,
    ),
    Operation(
        "conv2d",
        (
            sample(normal(2, 4, 5, 2), normal(3, 2, 2, 3), normal(3)),
            sample(normal(2, 3, 4, 2), normal(1, 1, 2, 3), normal(3)),
            sample(normal(1, 5, 6, 2), normal(3, 3, 2, 2), normal(2), stride=2, padding="same"),
            sample(normal(1, 5, 4, 1), normal(2, 3, 1, 2), padding="valid", stride=(2, 1)),
            sample(normal(2, 4, 4, 2), normal(3, 3, 2, 2), normal(2), padding=1),
            sample(normal(1, 4, 3, 2), normal(3, 2, 2, 2), padding=(2, 1)),
            sample(normal(1, 4, 4, 2), normal(3, 3, 2, 2), normal(2), padding=((0, 2), (1, 0)), stride=2),
            sample(normal(1, 6, 5, 1), normal(2, 3, 1, 2), normal(2), dilation=2, padding="same"),
            sample(normal(1, 6, 5, 1), normal(3, 2, 1, 2), dilation=(1, 3), stride=(3, 1)),
            sample(normal(2, 3, 3, 4), normal(2, 2, 2, 6), normal(6), groups=2),
            sample(normal(2, 4, 4, 3), normal(3, 3, 1, 3), normal(3), groups=3, padding=1),
            sample(normal(1, 4, 5, 2), normal(3, 2, 1, 4), groups=2, stride=2, padding="same"),
            sample(normal(2, 4, 5, 2), normal(3, 3, 2, 3), normal(3), padding=1, activation="relu"),
            sample(normal(1, 5, 5, 2), normal(3, 2, 2, 2), stride=2, activation="relu"),
            sample(normal(1, 4, 4, 2), normal(1, 1, 2, 3), normal(3), activation="relu"),
            sample(normal(1, 4, 4, 2), normal(2, 2, 1, 4), normal(4), groups=2, activation="relu"),
        ),
        convolve,
        torch_convolve,
    ),
    Operation(
        "conv3d",
        (
            sample(normal(1, 3, 3, 4, 2), normal(2, 2, 3, 2, 2), normal(2)),
            sample(
                normal(1, 3, 4, 3, 2), normal(3, 2, 2, 1, 2), normal(2), groups=2, stride=2, padding="same"
            ),
            sample(normal(1, 4, 3, 3, 1), normal(2, 2, 2, 1, 2), dilation=(2, 1, 1), padding=(1, (0, 1), 0)),
            sample(normal(1, 3, 3, 3, 2), normal(2, 2, 2, 2, 2), normal(2), activation="relu"),
        ),
        convolve,
        torch_convolve,
    ),
    Operation(
        "conv_transpose1d",
        (
            sample(normal(2, 4, 3), normal(3, 2, 3), normal(2)),
            sample(normal(2, 3, 2), normal(4, 2, 2), stride=3, padding=(1, 2), output_padding=2),
            sample(
                normal(1, 4, 2), normal(3, 1, 2), normal(2), stride=2, dilation=2, groups=2, padding="same"
            ),
        ),
        convolve_transposed,
        torch_convolve_transposed,
    ),
    Operation(
        "conv_transpose2d",
        (
            sample(normal(2, 3, 2, 3), normal(2, 3, 2, 3), normal(2)),
            sample(normal(1, 3, 3, 2), normal(3, 3, 2, 2), normal(2), stride=2, padding=1, output_padding=1),
            sample(
                normal(1, 2, 3, 2), normal(3, 2, 1, 2), stride=(3, 2), output_padding=(2, 0), padding=(1, 0)
            ),
            sample(normal(1, 3, 2, 2), normal(4, 3, 2, 2), normal(2), stride=2, padding="same"),
            sample(normal(1, 2, 2, 2), normal(1, 2, 2, 2), normal(2), stride=3, padding="same"),
            sample(normal(1, 2, 2, 2), normal(2, 3, 1, 2), stride=3, padding="valid"),
            sample(normal(1, 3, 3, 2), normal(3, 2, 1, 2), normal(1), padding=((2, 0), (1, 1)), dilation=2),
            sample(normal(2, 2, 2, 4), normal(2, 2, 3, 4), normal(6), groups=2, stride=2),
            sample(normal(1, 3, 2, 3), normal(3, 3, 1, 3), normal(3), groups=3, stride=2, padding="same"),
        ),
        convolve_transposed,
        torch_convolve_transposed,
    ),
    Operation(
        "conv_transpose3d",
        (
            sample(normal(1, 2, 2, 3, 2), normal(2, 3, 2, 2, 2), normal(2), stride=(1, 2, 1)),
            sample(normal(1, 2, 2, 2, 2), normal(3, 2, 2, 1, 2), groups=2, stride=2, padding="same"),
        ),
        convolve_transposed,
        torch_convolve_transposed,
    ),
]
