"""Pooling by its definition: window after window, with NumPy's own max and mean."""

import numpy as np

from operation_table.convolution import channels_first, every, pairs_of
from operation_table.core import Operation, distinct, normal, sample


def pool(x, reduce, fill, window, stride=None, padding=0, dilation=1):
    dimensions = x.ndim - 2
    window = every(window, dimensions)
    stride = window if stride is None else every(stride, dimensions)
    dilation = every(dilation, dimensions)
    pairs = pairs_of(padding, x.shape[1:-1], window, stride, dilation)
    padded = np.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=fill)
    spread = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    output = [(n - e) // s + 1 for n, e, s in zip(padded.shape[1:-1], spread, stride, strict=True)]
    y = np.zeros((len(x), *output, x.shape[-1]))
    for place in np.ndindex(*output):
        seen = [
            slice(p * s, p * s + e, d) for p, s, e, d in zip(place, stride, spread, dilation, strict=True)
        ]
        elements = padded[(slice(None), *seen)].reshape(len(x), int(np.prod(window)), x.shape[-1])
        y[(slice(None), *place)] = reduce(elements)
    return y


def max_pool(x, window, return_indices=False, **options):
    def largest(elements):
        return elements.max(axis=1)

    def place(elements):
        return elements.argmax(axis=1)

    y = pool(x, largest, -np.inf, window, **options)
    return (y, pool(x, place, -np.inf, window, **options)) if return_indices else y


def avg_pool(x, window, stride=None, padding=0, count_padding=True):
    fill = 0.0 if count_padding else np.nan
    return pool(x, lambda elements: np.nanmean(elements, axis=1), fill, window, stride, padding)


def torch_padded(torch, x, window, stride, padding, dilation, value):
    dimensions = x.ndim - 2
    window = every(window, dimensions)
    stride = window if stride is None else every(stride, dimensions)
    pairs = pairs_of(padding, x.shape[1:-1], window, stride, every(dilation, dimensions))
    widths = [width for pair in reversed(pairs) for width in pair]
    return torch.nn.functional.pad(channels_first(x), widths, value=value), window, stride


def torch_max_pool(torch, x, window, stride=None, padding=0, dilation=1):
    dimensions = x.ndim - 2
    x, window, stride = torch_padded(torch, x, window, stride, padding, dilation, -np.inf)
    function = getattr(torch.nn.functional, f"max_pool{dimensions}d")
    return function(x, window, stride, 0, dilation).movedim(1, -1)


def torch_avg_pool(torch, x, window, stride=None, padding=0, count_padding=True):
    """PyTorch counts or leaves out its own padding only, so the share of x in each window is pooled too."""
    function = getattr(torch.nn.functional, f"avg_pool{x.ndim - 2}d")
    padded, window, stride = torch_padded(torch, x, window, stride, padding, 1, 0.0)
    y = function(padded, window, stride)
    if not count_padding:
        inside, _, _ = torch_padded(torch, torch.ones_like(x), window, stride, padding, 1, 0.0)
        y = y / function(inside, window, stride)
    return y.movedim(1, -1)


def adaptive_pool(x, output_size, reduce):
    output_size = every(output_size, x.ndim - 2)
    y = np.zeros((len(x), *output_size, x.shape[-1]))
    for place in np.ndindex(*output_size):
        bins = [
            slice(int(np.floor(i * n / count)), int(np.ceil((i + 1) * n / count)))
            for i, n, count in zip(place, x.shape[1:-1], output_size, strict=True)
        ]
        y[(slice(None), *place)] = reduce(x[(slice(None), *bins)], axis=tuple(range(1, x.ndim - 1)))
    return y


def adaptive_operations(kind, reduce, draw):
    """adaptive_*_pool in one, two and three dimensions."""

    def torch_function(torch, x, output_size):
        function = getattr(torch.nn.functional, f"adaptive_{kind}_pool{x.ndim - 2}d")
        return function(channels_first(x), output_size).movedim(1, -1)

    samples = {
        1: (sample(draw(2, 6, 2), output_size=3), sample(draw(2, 5, 2), output_size=3)),
        2: (
            sample(draw(2, 4, 6, 2), output_size=2),
            sample(draw(1, 5, 7, 2), output_size=(3, 4)),
            sample(draw(1, 4, 3, 2), output_size=(2, 2)),
            sample(draw(1, 2, 3, 2), output_size=(3, 3)),
            sample(draw(2, 3, 4, 2), output_size=1),
        ),
        3: (
            sample(draw(1, 4, 2, 4, 2), output_size=2),
            sample(draw(1, 3, 4, 3, 2), output_size=(2, 3, 1)),
        ),
    }
    return [
        Operation(
            f"adaptive_{kind}_pool{dimensions}d",
            samples[dimensions],
            lambda x, output_size: adaptive_pool(x, output_size, reduce),
            torch_function,
        )
        for dimensions in samples
    ]


WINDOWS = {
    1: (
        ((2, 6, 2), {"window": 2}),
        ((2, 7, 2), {"window": 3, "stride": 2, "padding": 1}),
        ((1, 7, 2), {"window": (3,), "stride": 1, "padding": (2, 1)}),
    ),
    2: (
        ((2, 4, 4, 2), {"window": 2}),
        ((1, 5, 5, 2), {"window": 3, "stride": 2}),
        ((1, 4, 5, 2), {"window": (3, 2), "stride": 1, "padding": "same"}),
        ((1, 4, 5, 2), {"window": (2, 1)}),
        ((2, 5, 4, 1), {"window": 3, "stride": (2, 1), "padding": 1}),
        ((1, 5, 4, 2), {"window": (3, 2), "stride": 2, "padding": ((0, 2), (1, 0))}),
        ((1, 5, 7, 1), {"window": 2, "stride": 3}),
    ),
    3: (
        ((1, 4, 2, 4, 2), {"window": 2}),
        ((1, 3, 3, 4, 1), {"window": (2, 3, 2), "stride": (1, 2, 2), "padding": 1}),
    ),
}
DILATED = {
    1: ((2, 7, 2), {"window": 3, "stride": 1, "dilation": 2, "padding": 2}),
    2: ((1, 6, 5, 2), {"window": (3, 2), "stride": (1, 2), "dilation": (2, 3)}),
    3: ((1, 3, 4, 3, 1), {"window": 2, "stride": 1, "dilation": (2, 1, 2)}),
}


def spatial_axes(x):
    return tuple(range(1, x.ndim - 1))


OPERATIONS = [
    *[
        Operation(
            f"max_pool{dimensions}d",
            tuple(
                [
                    sample(distinct(*shape), **options)
                    for shape, options in (*WINDOWS[dimensions], DILATED[dimensions])
                ]
            ),
            max_pool,
            torch_max_pool,
        )
        for dimensions in (1, 2, 3)
    ],
    Operation(
        "max_pool2d",
        (
            sample(distinct(1, 5, 5, 2), window=3, stride=2, padding=1, return_indices=True),
            sample(distinct(2, 4, 5, 1), window=2, dilation=2, stride=1, return_indices=True),
        ),
        max_pool,
    ),
    *[
        Operation(
            f"avg_pool{dimensions}d",
            tuple(
                [
                    sample(normal(*shape), count_padding=count_padding, **options)
                    for shape, options in WINDOWS[dimensions]
                    for count_padding in ((True, False) if "padding" in options else (True,))
                ]
            ),
            avg_pool,
            torch_avg_pool,
        )
        for dimensions in (1, 2, 3)
    ],
    *adaptive_operations("avg", np.mean, normal),
    *adaptive_operations("max", np.max, distinct),
    Operation(
        "global_avg_pool",
        (sample(normal(2, 3, 2)), sample(normal(2, 3, 4, 2), keepdims=True), sample(normal(1, 2, 3, 2, 2))),
        lambda x, keepdims=False: x.mean(axis=spatial_axes(x), keepdims=keepdims),
        lambda torch, x, keepdims=False: x.mean(dim=spatial_axes(x), keepdim=keepdims),
    ),
    Operation(
        "global_max_pool",
        (
            sample(distinct(2, 3, 2)),
            sample(distinct(2, 3, 4, 2), keepdims=True),
            sample(distinct(1, 2, 3, 2, 2)),
        ),
        lambda x, keepdims=False: x.max(axis=spatial_axes(x), keepdims=keepdims),
        lambda torch, x, keepdims=False: x.amax(dim=spatial_axes(x), keepdim=keepdims),
    ),
]
