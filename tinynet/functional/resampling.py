"""Other resolutions: enlarging by repetition or interpolation, and space traded for channels."""

from numbers import Real

from tinynet.autograd import Function, as_tensor
from tinynet.errors import ArgumentError, ShapeError
from tinynet.functional.geometry import per_axis, spatial_input
from tinynet.functional.shaping import broadcast_to, reshape, transpose
from tinynet_kernels import sampling

__all__ = ["depth_to_space", "pixel_shuffle", "pixel_unshuffle", "space_to_depth", "upsample"]


class Resize(Function):
    """x with an axis of another length; see `tinynet_kernels.sampling.resize`."""

    __slots__ = ("axis", "method", "old", "size")
    operation = "upsample"

    def __init__(self, axis, size, method):
        self.axis = axis
        self.size = size
        self.method = method

    def forward(self, x):
        self.old = x.shape[self.axis]
        return sampling.resize(x, self.axis, self.size, self.method)

    def backward(self, gy):
        return ResizeGradient(self.axis, self.old, self.method)(gy)

    def backward_arrays(self, gy):
        return sampling.resize_backward(gy, self.axis, self.old, self.method)


class ResizeGradient(Function):
    """What `Resize` gives its input: its transpose, which is linear as well."""

    __slots__ = ("axis", "method", "new", "size")
    operation = "upsample"

    def __init__(self, axis, size, method):
        self.axis = axis
        self.size = size
        self.method = method

    def forward(self, gy):
        self.new = gy.shape[self.axis]
        return sampling.resize_backward(gy, self.axis, self.size, self.method)

    def backward(self, ggx):
        return Resize(self.axis, self.new, self.method)(ggx)


def upsample(x, scale=None, size=None, mode="nearest", align_corners=False):
    """Resamples the spatial axes.

    Args:
        x: (N, *spatial, C) with one to three spatial axes; bilinear: (N, H, W, C).
        scale: factor, one number or one per axis (integers or not); or give `size`. The new size is
            rounded down, and positions then follow from the two sizes alone, as with PyTorch's
            ``recompute_scale_factor=True``.
        size: the new spatial size, one number or one per axis.
        mode: "nearest" or "bilinear".
        align_corners: bilinear only: whether the corner elements of x and y lie on each other, rather than
            the outer edges of the corner elements.

    Returns:
        (N, *new spatial, C).

    Raises:
        ArgumentError: neither or both of scale and size, or an unknown mode.
        ShapeError: x has another number of axes, or no spatial elements.
    """
    x = as_tensor(x)
    if mode not in ("nearest", "bilinear"):
        raise ArgumentError(f"upsample: mode must be 'nearest' or 'bilinear', not {mode!r}")
    dimensions = 2 if mode == "bilinear" else x.ndim - 2
    if not 1 <= dimensions <= 3:
        raise ShapeError(f"upsample: x must be (N, *spatial, C), but has shape {x.shape}")
    x = spatial_input("upsample", x, dimensions)
    if 0 in x.shape[1:-1]:
        raise ShapeError(f"upsample: x has no spatial elements (shape {x.shape})")
    size = _new_size(x.shape[1:-1], scale, size)
    if mode == "nearest":
        return _nearest(x, size)
    return _resize(x, size, "corners" if align_corners else "linear")


def _new_size(old, scale, size):
    if (scale is None) == (size is None):
        raise ArgumentError(f"upsample: give either scale or size, not scale={scale!r} and size={size!r}")
    if size is not None:
        return per_axis("upsample", "size", size, len(old))
    scales = (scale,) * len(old) if isinstance(scale, Real) else tuple(scale)
    if len(scales) != len(old) or not all(factor > 0 for factor in scales):
        raise ArgumentError(f"upsample: scale must be positive, one or {len(old)} numbers, not {scale!r}")
    new = tuple([int(n * factor) for n, factor in zip(old, scales, strict=True)])
    return per_axis("upsample", "size", new, len(old))


def _nearest(x, size):
    old = x.shape[1:-1]
    if all(new % n == 0 for new, n in zip(size, old, strict=True)):
        return _repeat(x, [new // n for new, n in zip(size, old, strict=True)])
    return _resize(x, size, "nearest")


def _resize(x, size, method):
    for axis, length in enumerate(size, start=1):
        if length != x.shape[axis]:
            x = Resize(axis, length, method)(x)
    return x


def _repeat(x, factors):
    """Every element repeated along each spatial axis, by broadcasting along new axes."""
    spatial = x.shape[1:-1]
    apart, wide, merged = [x.shape[0]], [x.shape[0]], [x.shape[0]]
    for n, factor in zip(spatial, factors, strict=True):
        apart += [n, 1]
        wide += [n, factor]
        merged.append(n * factor)
    channels = x.shape[-1]
    x = broadcast_to(reshape(x, (*apart, channels)), (*wide, channels))
    return reshape(x, (*merged, channels))


def space_to_depth(x, block):
    """Moves each block × block square into the channels: (N, H, W, C) → (N, H/b, W/b, b·b·C).

    New channel (i·b + j)·C + c is channel c at row i and column j of the square, the order of TensorFlow
    and of Darknet's pass-through as Keras ports use it. Raises ShapeError unless `block` divides H and W.
    """
    x, (n, height, width, channels) = _image("space_to_depth", x)
    _check_divides("space_to_depth", block, x, (1, 2))
    x = reshape(x, (n, height // block, block, width // block, block, channels))
    x = transpose(x, (0, 1, 3, 2, 4, 5))
    return reshape(x, (n, height // block, width // block, block * block * channels))


def depth_to_space(x, block):
    """The inverse of `space_to_depth`: (N, H, W, b·b·C) → (N, H·b, W·b, C)."""
    x, (n, height, width, channels) = _image("depth_to_space", x)
    _check_divides("depth_to_space", block * block, x, (3,))
    left = channels // (block * block)
    x = reshape(x, (n, height, width, block, block, left))
    x = transpose(x, (0, 1, 3, 2, 4, 5))
    return reshape(x, (n, height * block, width * block, left))


def pixel_shuffle(x, factor):
    """Like `depth_to_space`, with the channels in the order c·r² + i·r + j, as PyTorch and the paper have it.

    (N, H, W, C·r²) → (N, H·r, W·r, C): the periodic shuffle of the sub-pixel convolution. Source: Shi et
    al., "Real-time single image and video super-resolution using a sub-pixel CNN", 2016, equation 4.
    """
    x, (n, height, width, channels) = _image("pixel_shuffle", x)
    _check_divides("pixel_shuffle", factor * factor, x, (3,))
    left = channels // (factor * factor)
    x = reshape(x, (n, height, width, left, factor, factor))
    x = transpose(x, (0, 1, 4, 2, 5, 3))
    return reshape(x, (n, height * factor, width * factor, left))


def pixel_unshuffle(x, factor):
    """The inverse of `pixel_shuffle`: (N, H, W, C) → (N, H/r, W/r, C·r²)."""
    x, (n, height, width, channels) = _image("pixel_unshuffle", x)
    _check_divides("pixel_unshuffle", factor, x, (1, 2))
    x = reshape(x, (n, height // factor, factor, width // factor, factor, channels))
    x = transpose(x, (0, 1, 3, 5, 2, 4))
    return reshape(x, (n, height // factor, width // factor, channels * factor * factor))


def _image(operation, x):
    x = as_tensor(x)
    if x.ndim != 4:
        raise ShapeError(f"{operation}: x must be (N, H, W, C), but has shape {x.shape}")
    return x, x.shape


def _check_divides(operation, divisor, x, axes):
    for axis in axes:
        if divisor < 1 or x.shape[axis] % divisor:
            raise ShapeError(
                f"{operation}: axis {axis} of x (shape {x.shape}) has {x.shape[axis]} elements, which is no "
                f"multiple of {divisor}"
            )
