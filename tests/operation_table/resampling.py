"""Resampling by its definition: each output element from the input elements that it comes from."""

import numpy as np

from operation_table.core import Operation, normal, sample


def new_size(x, scale, size):
    dimensions = x.ndim - 2
    if size is not None:
        return (size,) * dimensions if isinstance(size, int) else size
    scales = (scale,) * dimensions if isinstance(scale, (int, float)) else scale
    return tuple([int(n * factor) for n, factor in zip(x.shape[1:-1], scales, strict=True)])


def nearest(x, size):
    y = np.zeros((len(x), *size, x.shape[-1]))
    for place in np.ndindex(*size):
        source = tuple([i * n // count for i, n, count in zip(place, x.shape[1:-1], size, strict=True)])
        y[(slice(None), *place)] = x[(slice(None), *source)]
    return y


def bilinear(x, size, align_corners):
    """Each output element is a sum of all of x, weighted by a hat function of the distance."""
    centres = []
    for n, count in zip(x.shape[1:-1], size, strict=True):
        i = np.arange(count)
        if align_corners:
            centres.append(i * (n - 1) / max(count - 1, 1))
        else:
            centres.append(np.clip((i + 0.5) * n / count - 0.5, 0, n - 1))
    rows, columns = [
        np.maximum(1 - np.abs(centre[:, None] - np.arange(n)), 0)
        for centre, n in zip(centres, x.shape[1:-1], strict=True)
    ]
    return np.einsum("ph,qw,nhwc->npqc", rows, columns, x)


def upsample(x, scale=None, size=None, mode="nearest", align_corners=False):
    size = new_size(x, scale, size)
    return nearest(x, size) if mode == "nearest" else bilinear(x, size, align_corners)


def torch_upsample(torch, x, scale=None, size=None, mode="nearest", align_corners=False):
    options = {} if mode == "nearest" else {"align_corners": align_corners}
    size = new_size(x, scale, size)
    y = torch.nn.functional.interpolate(x.movedim(-1, 1), size=size, mode=mode, **options)
    return y.movedim(1, -1)


def shuffled(x, factor, channel):
    """(N, H, W, C·r²) → (N, H·r, W·r, C); `channel` tells where c at row i, column j of a square is found."""
    n, height, width, channels = x.shape
    left = channels // factor**2
    y = np.zeros((n, height * factor, width * factor, left))
    for i, j, c in np.ndindex(factor, factor, left):
        y[:, i::factor, j::factor, c] = x[..., channel(i, j, c, left)]
    return y


def unshuffled(x, factor, channel):
    n, height, width, left = x.shape
    y = np.zeros((n, height // factor, width // factor, left * factor**2))
    for i, j, c in np.ndindex(factor, factor, left):
        y[..., channel(i, j, c, left)] = x[:, i::factor, j::factor, c]
    return y


def depth_first(factor):
    return lambda i, j, c, left: (i * factor + j) * left + c


def depth_last(factor):
    return lambda i, j, c, left: c * factor**2 + i * factor + j


def torch_pixel_shuffle(torch, x, factor):
    return torch.nn.functional.pixel_shuffle(x.movedim(-1, 1), factor).movedim(1, -1)


def torch_pixel_unshuffle(torch, x, factor):
    return torch.nn.functional.pixel_unshuffle(x.movedim(-1, 1), factor).movedim(1, -1)


def torch_depth_to_space(torch, x, block):
    """PyTorch's order of channels, after bringing ours into it."""
    apart = x.reshape(*x.shape[:-1], block * block, -1)
    return torch_pixel_shuffle(torch, apart.swapaxes(-1, -2).flatten(-2), block)


def torch_space_to_depth(torch, x, block):
    y = torch_pixel_unshuffle(torch, x, block)
    return y.reshape(*y.shape[:-1], -1, block * block).swapaxes(-1, -2).flatten(-2)


OPERATIONS = [
    Operation(
        "upsample",
        (
            sample(normal(2, 2, 3, 2), scale=2),
            sample(normal(1, 3, 2, 2), scale=(2, 3)),
            sample(normal(1, 3, 4, 2), size=(5, 7)),
            sample(normal(1, 4, 5, 2), size=(2, 5)),
            sample(normal(1, 4, 4, 1), scale=1.5),
            sample(normal(2, 3, 2), scale=2),
            sample(normal(2, 3, 2), size=5),
            sample(normal(1, 2, 3, 2, 1), scale=(2, 1, 2)),
            sample(normal(2, 2, 3, 2), scale=2, mode="bilinear"),
            sample(normal(1, 3, 4, 2), size=(7, 5), mode="bilinear"),
            sample(normal(1, 5, 4, 2), size=(2, 4), mode="bilinear"),
            sample(normal(1, 3, 1, 2), size=(1, 3), mode="bilinear"),
            sample(normal(2, 2, 3, 2), scale=2, mode="bilinear", align_corners=True),
            sample(normal(1, 4, 3, 2), size=(3, 7), mode="bilinear", align_corners=True),
            sample(normal(1, 4, 1, 2), size=(1, 3), mode="bilinear", align_corners=True),
        ),
        upsample,
        torch_upsample,
    ),
    Operation(
        "depth_to_space",
        (
            sample(normal(2, 2, 3, 8), block=2),
            sample(normal(1, 2, 1, 9), block=3),
            sample(normal(1, 2, 2, 3), block=1),
        ),
        lambda x, block: shuffled(x, block, depth_first(block)),
        torch_depth_to_space,
    ),
    Operation(
        "space_to_depth",
        (
            sample(normal(2, 4, 6, 2), block=2),
            sample(normal(1, 6, 3, 1), block=3),
            sample(normal(1, 2, 2, 3), block=1),
        ),
        lambda x, block: unshuffled(x, block, depth_first(block)),
        torch_space_to_depth,
    ),
    Operation(
        "pixel_shuffle",
        (sample(normal(2, 2, 3, 8), factor=2), sample(normal(1, 2, 1, 9), factor=3)),
        lambda x, factor: shuffled(x, factor, depth_last(factor)),
        torch_pixel_shuffle,
    ),
    Operation(
        "pixel_unshuffle",
        (sample(normal(2, 4, 6, 2), factor=2), sample(normal(1, 6, 3, 1), factor=3)),
        lambda x, factor: unshuffled(x, factor, depth_last(factor)),
        torch_pixel_unshuffle,
    ),
]
