"""Bilinear interpolation on the GPU: one launch. See gpu.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch

_source = Source(__package__)

_THREADS = 256
_BORDERS = {"constant": 0, "edge": 1, "reflect": 2}  # as in gpu.cu


def bilinear(x, rows, columns, border, fill):
    y = empty((*rows.shape, x.shape[2]), x.dtype)
    if y.size:
        inputs = map(contiguous, (x, rows, columns, fill))
        arguments = *inputs, y, _BORDERS[border], *x.shape, y.size
        function = _source.function("bilinear_forward", x.dtype)
        launch(function, blocks_for(y.size, _THREADS), _THREADS, arguments)
    return y
