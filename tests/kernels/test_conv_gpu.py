"""The CUDA kernels of convolution against the definition."""

from importlib import import_module

import numpy as np
import pytest
import test_conv_kernels
import test_depthwise_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from roundings import rounded
from test_conv_gradient_out import inside_of

import tinynet as tn
from tinynet import nn
from tinynet_kernels import conv
from tinynet_kernels.conv import gpu_implicit, gpu_pieces, gpu_plan, gpu_unfolded
from tinynet_kernels.cuda.modes import ROUNDINGS, own_products, rounded_products

plans = import_module("tinynet_kernels.conv.plan")  # `conv.plan` is the function

few = settings(deadline=None, derandomize=True, max_examples=12)

DTYPES = [np.float16, np.float32, np.float64]

PLAIN = ((1, 1), ((1, 1), (1, 1)), (1, 1))
STRIDED = ((2, 1), ((0, 2), (1, 0)), (1, 2))

# By name: shape of x, outputs, kernel, window, groups.
GEOMETRIES = {
    "many outputs": ((2, 7, 7, 5), 70, (3, 3), PLAIN, 1),
    "many channels": ((1, 5, 6, 68), 12, (3, 3), PLAIN, 1),
    "many pixels": ((3, 12, 11, 3), 6, (5, 5), PLAIN, 1),
    "one channel": ((2, 14, 13, 1), 6, (5, 5), ((1, 1), ((0, 0), (0, 0)), (1, 1)), 1),
    "no few of anything": ((2, 6, 5, 20), 24, (3, 3), STRIDED, 1),
    "packs of channels": ((2, 6, 7, 16), 32, (3, 2), STRIDED, 1),
    "strided image net": ((1, 20, 19, 3), 24, (7, 7), ((2, 2), ((3, 3), (3, 3)), (1, 1)), 1),
    "strided points": ((2, 7, 8, 12), 20, (1, 1), ((2, 2), ((0, 0), (0, 0)), (1, 1)), 1),
    "a point": ((2, 5, 4, 12), 20, (1, 1), ((1, 1), ((0, 0), (0, 0)), (1, 1)), 1),
    "groups": ((2, 6, 5, 24), 36, (3, 3), STRIDED, 3),
    "groups of one output": ((2, 6, 5, 12), 4, (3, 3), PLAIN, 4),
    "one dimension": ((3, 40, 10), 14, (9,), ((3,), ((4, 2),), (2,)), 1),
    "three dimensions": ((2, 5, 6, 4, 6), 9, (2, 3, 3), ((1, 2, 1), ((1, 0),) * 3, (1, 1, 2)), 1),
    "gaps between windows": ((2, 9, 9, 4), 8, (2, 1), ((3, 4), ((0, 0), (0, 0)), (1, 1)), 1),
    "windows in the padding": ((1, 3, 3, 4), 8, (2, 2), ((2, 2), ((5, 4), (3, 6)), (3, 1)), 1),
    "nothing but padding": ((2, 0, 3, 4), 6, (2, 2), ((1, 1), ((1, 2), (0, 0)), (1, 1)), 1),
    "depthwise": ((2, 9, 8, 20), 20, (3, 3), PLAIN, 20),
    "depthwise with large windows": ((2, 9, 8, 33), 33, (5, 4), STRIDED, 33),
    "depthwise with a multiplier": ((2, 7, 6, 5), 15, (3, 3), STRIDED, 5),
}


def example(name, dtype):
    """A convolution's x, weight, bias and gradient of y, its window and groups."""
    x_shape, outputs, kernel, window, groups = GEOMETRIES[name]
    random = np.random.default_rng(0)
    output = conv.output_size(x_shape[1:-1], kernel, *window)
    shapes = x_shape, (*kernel, x_shape[-1] // groups, outputs), (outputs,), (x_shape[0], *output, outputs)
    return *(random.standard_normal(shape).astype(dtype) for shape in shapes), window, groups


@pytest.fixture
def limits(monkeypatch):
    """Sets numbers on which plans depend; these are forgotten before and after."""

    def set_limits(**values):
        for name, value in values.items():
            module = next(module for module in (gpu_pieces, gpu_plan, gpu_unfolded) if hasattr(module, name))
            monkeypatch.setattr(module, name, value)
        plans._plan.cache_clear()

    yield set_limits
    plans._plan.cache_clear()


def compare_all(compare_gpu, x, weight, bias, gy, window, groups, tolerance=None):
    size, kernel = x.shape[1:-1], weight.shape[:-2]
    compare_gpu(conv.forward, x, weight, *window, groups, tolerance=tolerance)
    compare_gpu(conv.forward, x, weight, *window, groups, bias, "relu", tolerance=tolerance)
    compare_gpu(conv.input_gradient, gy, weight, size, *window, groups, tolerance=tolerance)
    compare_gpu(conv.weight_gradient, x, gy, kernel, *window, groups, tolerance=tolerance)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_takes_agree(name, dtype, compare_gpu):
    compare_all(compare_gpu, *example(name, dtype))


TILES = [(dtype, tile) for dtype, tiles in gpu_implicit.TILES.items() for tile in tiles]


@pytest.mark.parametrize("name", ["packs of channels", "groups"])
@pytest.mark.parametrize(("dtype", "tile"), TILES, ids=lambda value: getattr(value, "engine", value))
def test_takes_agree_with_every_tile(name, dtype, tile, compare_gpu, monkeypatch):
    monkeypatch.setattr(gpu_implicit, "choose_tile", lambda *_: tile)
    tolerance = None
    if dtype == "float32" and "Tensor" in tile.engine:
        tolerance = 1e-2 if "Bfloat" in tile.engine else 2e-3
    compare_all(compare_gpu, *example(name, dtype), tolerance=tolerance)


@pytest.mark.parametrize("to", ROUNDINGS)
def test_factors_are_rounded_and_nothing_else(to, gpu, compare_gpu):
    x, weight, bias, gy, window, groups = example("no few of anything", np.float32)
    exact = x, weight, bias, gy
    nearest = *(rounded(array, to) for array in (x, weight)), bias, rounded(gy, to)
    with own_products():
        with rounded_products(to):
            compare_all(compare_gpu, *nearest, window, groups)
            of_exact = results(gpu, *exact, window, groups)
            of_nearest = results(gpu, *nearest, window, groups)
        unrounded = results(gpu, *exact, window, groups)
    for found, expected, other in zip(of_exact, of_nearest, unrounded, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert np.abs(found - other).max() > 2e-4 * np.abs(other).max()


def results(gpu, x, weight, bias, gy, window, groups):
    """What the three operations give on the GPU."""
    x, weight, bias, gy = map(gpu.put, (x, weight, bias, gy))
    with gpu.pinned():
        y = conv.forward(x, weight, *window, groups, bias)
        gx = conv.input_gradient(gy, weight, x.shape[1:-1], *window, groups)
        gradient = conv.weight_gradient(x, gy, weight.shape[:-2], *window, groups)
    return [gpu.get(array) for array in (y, gx, gradient)]


@few
@given(c=test_conv_kernels.convolutions(), dtype=st.sampled_from(DTYPES))
def test_takes_agree_on_small_convolutions_of_any_kind(c, dtype, compare_gpu):
    arrays = (array.astype(dtype) for array in (c.x, c.weight, c.bias, c.gy))
    compare_all(compare_gpu, *arrays, c.window, c.groups)


@few
@given(c=test_depthwise_kernels.convolutions(), dtype=st.sampled_from(DTYPES))
def test_takes_agree_on_depthwise_convolutions(c, dtype, compare_gpu):
    arrays = (array.astype(dtype) for array in (c.x, c.weight, c.bias, c.gy))
    compare_all(compare_gpu, *arrays, c.window, c.groups)


@few
@given(c=test_conv_kernels.convolutions(), dtype=st.sampled_from(DTYPES))
def test_takes_agree_on_unfolding_and_folding(c, dtype, compare_gpu):
    columns = compare_gpu(conv.im2col, c.x.astype(dtype), c.kernel, *c.window)
    compare_gpu(conv.col2im, columns, c.size, c.kernel, *c.window)


@pytest.mark.parametrize("dtype", DTYPES)
def test_unfolding_by_packs_of_channels(dtype, compare_gpu):
    x = np.random.default_rng(0).standard_normal((2, 9, 7, 16)).astype(dtype)
    columns = compare_gpu(conv.im2col, x, (3, 2), *STRIDED)
    compare_gpu(conv.col2im, columns, (9, 7), (3, 2), *STRIDED)


@pytest.mark.parametrize("name", ["packs of channels", "groups", "depthwise", "three dimensions"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_arrays_may_start_at_any_element(name, dtype, gpu, same):
    x, weight, bias, gy, window, groups = example(name, dtype)
    size, kernel = x.shape[1:-1], weight.shape[:-2]
    buffers = [(gpu.put(buffer), inner.shape) for buffer, inner in map(_inside, (x, weight, bias, gy))]
    moved = [buffer[3:-3].reshape(shape) for buffer, shape in buffers]
    results = []
    for a, b, c, g in ([gpu.put(array) for array in (x, weight, bias, gy)], moved):
        with gpu.pinned():
            y = conv.forward(a, b, *window, groups, c)
            gx = conv.input_gradient(g, b, size, *window, groups)
            gradient = conv.weight_gradient(a, g, kernel, *window, groups)
        results.append(tuple(map(gpu.get, (y, gx, gradient))))
    same(results[1], results[0])


def _inside(array):
    buffer, inner = inside_of(array.shape, array.dtype)
    inner[...] = array
    return buffer, inner


@pytest.mark.parametrize("name", ["packs of channels", "a point", "groups", "one dimension", "depthwise"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_weight_gradient_is_written_where_it_is_wanted(name, dtype, gpu):
    x, weight, _, gy, window, groups = example(name, dtype)
    buffer = gpu.put(inside_of(weight.shape, dtype)[0])
    out = buffer[3:-3].reshape(weight.shape)
    with gpu.pinned():
        arguments = gpu.put(x), gpu.put(gy), weight.shape[:-2], *window, groups
        expected = conv.weight_gradient(*arguments)
        assert conv.weight_gradient(*arguments, out=out) is out
    np.testing.assert_array_equal(gpu.get(out), gpu.get(expected))
    assert np.isnan(gpu.get(buffer)[[0, 1, 2, -3, -2, -1]]).all()


@pytest.mark.parametrize("name", ["many pixels", "groups", "depthwise", "a point"])
def test_batches_with_too_many_elements_are_done_in_pieces(name, compare_gpu, limits):
    x, weight, bias, gy, window, groups = example(name, np.float32)
    whole = max(array.size // len(array) for array in (x, gy))
    limits(_MOST_ELEMENTS=max(whole, weight.size))
    compare_all(compare_gpu, x, weight, bias, gy, window, groups)
    columns = compare_gpu(conv.im2col, x, weight.shape[:-2], *window)
    compare_gpu(conv.col2im, columns, x.shape[1:-1], weight.shape[:-2], *window)


def test_images_with_too_many_elements_are_left_to_the_definition(compare_gpu, limits):
    limits(_MOST_ELEMENTS=200)
    x, weight, bias, gy, window, groups = example("many outputs", np.float64)
    assert conv.plan("forward", x.shape, weight.shape, *window, groups, "gpu").method == "reference"
    compare_all(compare_gpu, x, weight, bias, gy, window, groups)


@pytest.mark.parametrize("name", ["packs of channels", "many outputs", "one dimension", "three dimensions"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_unfolded(name, dtype, compare_gpu, limits):
    limits(_DEEP=1, _WIDE=1, _COLUMNS=1)  # an image at a time
    x, weight, bias, gy, window, groups = example(name, dtype)
    assert conv.plan("forward", x.shape, weight.shape, *window, groups, "gpu").method == "unfolded"
    compare_all(compare_gpu, x, weight, bias, gy, window, groups)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1)], ids=str)
def test_no_images(kernel, groups, compare_gpu):
    window = ((1, 1), tuple((k // 2, k // 2) for k in kernel), (1, 1))
    x, gy = np.zeros((0, 5, 5, 4), np.float32), np.zeros((0, 5, 5, 8), np.float32)
    weight = np.ones((*kernel, 4 // groups, 8), np.float32)
    compare_all(compare_gpu, x, weight, np.ones(8, np.float32), gy, window, groups)
    columns = compare_gpu(conv.im2col, x, kernel, *window)
    compare_gpu(conv.col2im, columns, (5, 5), kernel, *window)


@pytest.mark.parametrize(("channels", "outputs"), [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1)], ids=str)
def test_no_channels(kernel, channels, outputs, compare_gpu):
    window = ((1, 1), tuple((k // 2, k // 2) for k in kernel), (1, 1))
    x, gy = np.ones((2, 5, 5, channels), np.float32), np.ones((2, 5, 5, outputs), np.float32)
    weight = np.ones((*kernel, channels, outputs), np.float32)
    compare_all(compare_gpu, x, weight, np.ones(outputs, np.float32), gy, window, 1)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_nan_and_infinity_come_out_where_they_are_seen(groups, compare_gpu):
    x = np.zeros((1, 5, 6, 4), np.float32)
    x[0, 2, 2, 1], x[0, 4, 5, 0] = np.nan, np.inf
    weight = np.ones((3, 3, 4 // groups, 4), np.float32)
    with np.errstate(invalid="ignore"):
        y = compare_gpu(conv.forward, x, weight, *PLAIN, groups, np.zeros(4, np.float32), "relu")
        assert np.isnan(y).any()
        compare_gpu(conv.input_gradient, y, weight, (5, 6), *PLAIN, groups)
        compare_gpu(conv.weight_gradient, x, np.ones_like(y), (3, 3), *PLAIN, groups)


@pytest.mark.parametrize(
    ("operation", "channels", "weight_shape", "groups", "expected"),
    [
        ("forward", 32, (3, 3, 1, 32), 32, "depthwise"),
        ("forward", 32, (1, 1, 32, 64), 1, "product"),
        ("forward", 1, (5, 5, 1, 6), 1, "implicit"),
        ("forward", 64, (3, 3, 64, 128), 1, "unfolded"),
        ("weight_gradient", 64, (3, 3, 64, 128), 1, "unfolded"),
        ("forward", 64, (3, 3, 32, 128), 2, "implicit"),
        ("forward", 140_000, (3, 3, 2, 70_000), 70_000, "reference"),
    ],
)
def test_the_plan_goes_by_the_shape(operation, channels, weight_shape, groups, expected):
    kernel = weight_shape[:2]
    window = ((1, 1), tuple((k // 2, k // 2) for k in kernel), (1, 1))
    arguments = operation, (4, 14, 14, channels), weight_shape, *window, groups, "gpu"
    chosen = conv.plan(*arguments)
    assert chosen.name == expected
    assert chosen.reason
    with own_products():
        assert conv.plan(*arguments).name == expected.replace("unfolded", "implicit")


def test_long_weight_gradients_are_not_unfolded():
    arguments = "weight_gradient", (256, 56, 56, 64), (3, 3, 64, 128), *PLAIN, 1, "gpu"
    assert conv.plan(*arguments).name == "implicit"


def test_a_model_on_the_gpu_explains_its_plan(gpu):
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8))
    if not isinstance(gpu.put(np.zeros(1)), np.ndarray):
        model.to("cuda")
    with gpu.pinned():
        plan = tn.explain_plan(model, (9, 9, 4))
    names = [[chosen.name for chosen in layer.plans.values()] for layer in plan]
    assert names == [["implicit"] * 3, ["depthwise"] * 3]
