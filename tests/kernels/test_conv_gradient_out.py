"""The weight gradient of a convolution, written into an array of the caller: by every method and take."""

import numpy as np
import pytest

from tinynet_kernels import conv, pinned

PLAIN = ((1, 1), ((1, 1), (1, 1)), (1, 1))
POINTWISE = ((1, 1), ((0, 0), (0, 0)), (1, 1))

# By name of the method: shape of x, outputs, kernel, window, groups.
CONVOLUTIONS = {
    "winograd by parts": ((8, 28, 28, 32), 40, (3, 3), PLAIN, 1),
    "winograd by positions": ((4, 12, 12, 160), 160, (3, 3), PLAIN, 1),
    "windowed": ((4, 12, 12, 3), 20, (5, 5), PLAIN, 1),
    "product": ((2, 6, 6, 24), 40, (1, 1), POINTWISE, 1),
    "product in parts": ((8, 40, 40, 4), 6, (1, 1), POINTWISE, 1),
    "depthwise": ((2, 9, 9, 20), 20, (3, 3), PLAIN, 20),
    "depthwise with a multiplier": ((2, 9, 9, 20), 40, (3, 3), PLAIN, 20),
    "direct": ((2, 11, 11, 70), 72, (3, 3), ((2, 2), *PLAIN[1:]), 1),
    "direct in parts": ((8, 40, 40, 20), 24, (3, 3), ((1, 1), ((2, 2), (2, 2)), (2, 2)), 1),
    "direct with groups": ((2, 11, 11, 40), 60, (3, 3), PLAIN, 2),
    "direct in three dimensions": ((2, 5, 6, 7, 20), 9, (2, 3, 3), ((1,) * 3, ((1, 1),) * 3, (1,) * 3), 1),
}


def example(name, dtype):
    """The arguments of `conv.weight_gradient`, and the shape of its result."""
    x_shape, outputs, kernel, window, groups = CONVOLUTIONS[name]
    random = np.random.default_rng(0)
    output = conv.output_size(x_shape[1:-1], kernel, *window)
    x, gy = (random.standard_normal(s).astype(dtype) for s in (x_shape, (x_shape[0], *output, outputs)))
    return (x, gy, kernel, *window, groups), (*kernel, x_shape[-1] // groups, outputs)


def inside_of(shape, dtype, margin=3):
    """A buffer full of NaN, and a contiguous view of `shape` in its middle, on no boundary of a vector."""
    size = int(np.prod(shape))
    buffer = np.full(size + 2 * margin, np.nan, dtype)
    return buffer, buffer[margin : margin + size].reshape(shape)


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_is_written_there_and_nowhere_else(name, dtype):
    arguments, shape = example(name, dtype)
    method = name.partition(" ")[0]
    chosen = conv.plan("weight_gradient", arguments[0].shape, shape, *arguments[3:])
    assert chosen.method == method
    for take in ("reference", "cpu"):
        with pinned(take):
            expected = conv.weight_gradient(*arguments)
            buffer, out = inside_of(shape, dtype)
            assert conv.weight_gradient(*arguments, out=out) is out
        np.testing.assert_array_equal(out, expected)
        assert np.isnan(buffer[:3]).all()
        assert np.isnan(buffer[-3:]).all()


@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (5, 5)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_no_images_write_zeros(kernel, groups):
    x, gy = np.zeros((0, 9, 9, 4), np.float32), np.zeros((0, 9, 9, 8), np.float32)
    window = ((1, 1), tuple((k // 2, k // 2) for k in kernel), (1, 1))
    for take in ("reference", "cpu"):
        _, out = inside_of((*kernel, 4 // groups, 8), np.float32)
        with pinned(take):
            conv.weight_gradient(x, gy, kernel, *window, groups, out=out)
        np.testing.assert_array_equal(out, 0)


def _read_only(shape):
    array = np.empty(shape, np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [
        np.empty((3, 3, 4, 7), np.float32),
        np.empty((3, 3, 4, 6), np.float64),
        np.empty((3, 3, 6, 4), np.float32).swapaxes(2, 3),
        np.empty((3, 3, 4, 12), np.float32)[..., ::2],
        _read_only((3, 3, 4, 6)),
    ],
    ids=["shape", "dtype", "transposed", "strided", "read-only"],
)
def test_an_array_that_cannot_take_the_gradient_is_refused(out):
    x, gy = np.ones((2, 8, 8, 4), np.float32), np.ones((2, 8, 8, 6), np.float32)
    with pytest.raises(ValueError, match=r"must have \(3, 3, 4, 6\) and float32, and be C-"):
        conv.weight_gradient(x, gy, (3, 3), *PLAIN, 1, out=out)
