"""Which method computes a convolution on the GPU.

* ``depthwise``: one channel at a time, `conv.gpu_depthwise`;
* ``product``: a 1 × 1 window is a plain matrix product, `tinynet_kernels.matmul`;
* ``unfolded``: the windows are written side by side into a matrix, which cuBLAS multiplies,
  `conv.gpu_unfolded`;
* ``implicit``: the matrix product finds the elements of that matrix in x itself, `conv.gpu_implicit`;
* ``reference``: the definition, for arrays of which a single image has 2³¹ elements or more.

Unfolding writes and reads each element of x once for every tap; where a row of the matrix is multiplied by
many columns, that is little against the multiplications, and cuBLAS makes up for it. Where it is worth the
while is an estimate that has not been measured on a GPU yet. Inside ``cuda.modes.own_products()`` cuBLAS
is not called, so that nothing is unfolded.
"""

from math import prod

from tinynet_kernels.conv.gpu_pieces import fits
from tinynet_kernels.windows import output_size

__all__ = ["choose"]

_DEEP, _WIDE = 512, 128  # elements of a window, and output channels, from which on cuBLAS gets the product
_MOST_IN_GRID = 65535  # groups, and phases of an input gradient
_MOST_COLUMNS = 1 << 26  # elements of the matrix for a weight gradient, which is unfolded as a whole


def choose(operation, x_shape, weight_shape, stride, padding, dilation, groups, only_own_products):
    """The method, 0, and the reason, as in `conv.plan.Plan`."""
    kernel, channels = weight_shape[:-2], x_shape[-1]
    output = output_size(x_shape[1:-1], kernel, stride, padding, dilation)
    if not fits(x_shape[1:], (*output, weight_shape[-1]), weight_shape):
        return "reference", 0, "an image or the weight has more elements than the kernels count"
    if (groups > _MOST_IN_GRID and groups != channels) or prod(stride) > _MOST_IN_GRID:
        return "reference", 0, "more groups or strides than a grid has room for"
    if groups == channels and groups > 1:
        return "depthwise", 0, "every output channel sees one input channel"
    if groups == 1 and prod(kernel) == prod(stride) == 1 and not any(map(any, padding)):
        return "product", 0, "a window of one element makes it a matrix product"
    columns = (prod(output), prod(kernel) * channels)
    if groups == 1 and columns[1] >= _DEEP and weight_shape[-1] >= _WIDE and fits(columns):
        if only_own_products:
            return "implicit", 0, "large enough for cuBLAS, which is not to be called"
        if operation != "weight_gradient" or x_shape[0] * prod(columns) <= _MOST_COLUMNS:
            return "unfolded", 0, f"a window of {columns[1]} elements, {weight_shape[-1]} times multiplied"
    return "implicit", 0, "no unfolded matrix is worth its memory"
