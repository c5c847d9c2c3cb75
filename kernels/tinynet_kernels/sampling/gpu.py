"""Interpolation on the GPU: one launch. See gpu.cu and resize.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, empty, launch

_source = Source(__package__)
_resizing = Source(__package__, "resize.cu", variants=({"WHOLE": "int"}, {"WHOLE": "Index"}))

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


def resize(x, scale):
    outer, _, inner = x.shape
    return _resize("resize_forward", x, (outer, scale.new, inner), scale)


def resize_backward(gy, scale):
    outer, _, inner = gy.shape
    return _resize("resize_backward", gy, (outer, scale.old, inner), scale)


def _resize(name, given, shape, scale):
    """Launches one of the two kernels, which have the same parameters."""
    result = empty(shape, given.dtype)
    if result.size:
        # Dividing short numbers takes a fraction of the time.
        is_short = max(given.size, result.size, (scale.old + 1) * scale.divisor + scale.new) < 2**31
        function = _resizing.function(name, given.dtype, WHOLE="int" if is_short else "Index")
        arguments = contiguous(given), result, result.size, shape[2], *scale
        launch(function, blocks_for(result.size, _THREADS), _THREADS, arguments)
    return result
