"""Winograd's convolution: the matrices against their algebra, the kernels against the reference."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from tinynet_kernels.conv import reference, winograd
from tinynet_kernels.conv import winograd_transforms as transforms
from tinynet_kernels.simd.transforms import Images, fill_cells

few = settings(deadline=None, derandomize=True, max_examples=60)

# Relative to the largest result. The numbers of channels here are small, and so are the sums' own errors.
TOLERANCE = {
    (4, np.float32): 2e-5,
    (2, np.float32): 1e-5,
    (4, np.float64): 1e-12,
    (2, np.float64): 1e-12,
}


@st.composite
def convolutions(draw):
    before, after = draw(st.tuples(*[st.integers(0, 3)] * 2)), draw(st.tuples(*[st.integers(0, 3)] * 2))
    padding = tuple(zip(before, after, strict=True))
    size = tuple(max(3 - b - a, 0) + draw(st.integers(0, 9)) for b, a in padding)
    channels, outputs = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    return example(
        (draw(st.integers(0, 3)), *size, channels),
        outputs,
        padding,
        draw(st.sampled_from([np.float32, np.float64])),
        draw(st.integers(0, 1000)),
    )


def example(x_shape, outputs, padding, dtype, seed=0):
    """A convolution, its arguments in `dtype` and the results of the reference in float64."""
    random = np.random.default_rng(seed)
    size = x_shape[1:3]
    output = [s + before + after - 2 for s, (before, after) in zip(size, padding, strict=True)]
    shapes = x_shape, (3, 3, x_shape[3], outputs), (x_shape[0], *output, outputs), (outputs,)
    x, weight, gy, bias = (random.standard_normal(shape).astype(dtype) for shape in shapes)
    wide = [array.astype(np.float64) for array in (x, weight, gy, bias)]
    window = (1, 1), padding, (1, 1), 1
    return SimpleNamespace(
        x=x,
        weight=weight,
        gy=gy,
        bias=bias,
        size=size,
        padding=padding,
        y=reference.forward(*wide[:2], *window),
        y_relu=reference.forward(*wide[:2], *window, bias=wide[3], activation="relu"),
        gx=reference.input_gradient(wide[2], wide[1], size, *window),
        gw=reference.weight_gradient(wide[0], wide[2], (3, 3), *window),
    )


def results(c, tile):
    return (
        winograd.forward(c.x, c.weight, c.padding, tile),
        winograd.forward(c.x, c.weight, c.padding, tile, bias=c.bias, relu=True),
        winograd.input_gradient(c.gy, c.weight, c.size, c.padding, tile),
        winograd.weight_gradient(c.x, c.gy, c.padding, tile),
    )


def assert_close(c, tile, found=None):
    for f, expected in zip(found or results(c, tile), (c.y, c.y_relu, c.gx, c.gw), strict=True):
        assert f.shape == expected.shape
        assert f.dtype == c.x.dtype
        scale = np.abs(expected).max(initial=0)
        np.testing.assert_allclose(f, expected, rtol=0, atol=TOLERANCE[tile, c.x.dtype.type] * scale)


@pytest.fixture(params=["by tiles", "by strips"])
def way(request, monkeypatch):
    """Lets the forward operation, and the input gradient, take one of the two ways."""
    monkeypatch.setattr(winograd, "is_by_strips", lambda tiles, outputs: request.param == "by strips")
    return request.param


@pytest.fixture
def by_parts(monkeypatch):
    """Lets weight gradients be computed by parts, several chunks each, also of few tiles."""
    monkeypatch.setattr(winograd, "_LEAST_PART", 2)
    monkeypatch.setattr(winograd, "_PART_BYTES", 0)


@pytest.mark.parametrize("tile", transforms.TILES)
def test_the_matrices_slide_a_window_exactly(tile):
    input_matrix, weight_matrix, output_matrix = (
        np.array(matrix, object) for matrix in transforms.matrices(tile)
    )
    d = np.array([Fraction(3 * k * k - 7 * k + 2) for k in range(tile + 2)])
    g = np.array([Fraction(5), Fraction(-2, 3), Fraction(7)])
    y = output_matrix @ ((weight_matrix @ g) * (input_matrix @ d))
    assert list(y) == [sum(g[k] * d[i + k] for k in range(3)) for i in range(tile)]


def test_the_matrices_are_those_of_lavin_and_gray():
    input_matrix, weight_matrix, output_matrix = transforms.matrices(4)
    assert input_matrix[0] == (4, 0, -5, 0, 1, 0)
    assert input_matrix[4] == (0, 2, -1, -2, 1, 0)
    assert weight_matrix[3] == (Fraction(1, 24), Fraction(1, 12), Fraction(1, 6))
    assert output_matrix[3] == (0, 1, -1, 8, -8, 1)


@pytest.mark.parametrize("tile", transforms.TILES)
def test_a_few_instructions_less_than_the_plain_matrices(tile):
    """The even and odd parts of the pairs of points are shared."""
    for matrix, count in zip(transforms.matrices(tile), transforms.instructions(tile)[:3], strict=True):
        rows, columns = len(matrix), len(matrix[0])
        plain = sum(sum(factor != 0 for factor in row) - 1 for row in matrix) * (rows + columns)
        assert rows**2 + columns**2 < count <= rows**2 + columns**2 + plain


TRANSFORMS = {
    "input": (transforms.transform_input, lambda input, weight, output: input),
    "weight": (transforms.transform_weight, lambda input, weight, output: weight),
    "output_gradient": (transforms.transform_output_gradient, lambda input, weight, output: output.T),
    "weight_gradient": (transforms.transform_weight_gradient, lambda input, weight, output: weight.T),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("tile", transforms.TILES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_transform_reads_and_writes_exactly_its_columns(name, tile, dtype):
    transform, choose = TRANSFORMS[name]
    matrix = choose(*(np.array(matrix, np.float64) for matrix in transforms.matrices(tile)))
    results, size = matrix.shape

    @njit
    def call(zero, square, source, target, columns):
        transform(zero, square, source.ctypes.data, 0, target.ctypes.data, 0, columns)

    for columns in (1, 7, 16, 33):
        source = np.full((size, size, columns + 2), np.nan, dtype)
        cells = source[:, :, 1:-1]
        cells[...] = np.random.default_rng(0).standard_normal(cells.shape)
        target = np.full((results, results, columns + 2), 12345, dtype)
        call(dtype(0), (0,) * tile, addresses(source), addresses(target), columns)
        expected = np.einsum("ik,jl,klc->ijc", matrix, matrix, cells.astype(np.float64))
        found = target[:, :, 1:-1].copy()
        atol = (1e-5 if dtype == np.float32 else 1e-14) * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
        target[:, :, 1:-1] = 12345
        np.testing.assert_array_equal(target, 12345)


def addresses(array):
    """The addresses of the cells of an array (rows, columns, 1 + channels + 1), without the margins."""
    rows, columns, _ = array.shape
    first = array.ctypes.data + array.itemsize
    steps = np.add.outer(np.arange(rows) * array.strides[0], np.arange(columns) * array.strides[1])
    return (first + steps).ravel()


def test_cells_outside_of_an_image_share_one_address():
    images = np.zeros((2, 3, 4, 5), np.float32)

    @njit
    def call(table, where, n, row, column, cells, outside):
        fill_cells(table, where, n, row, column, cells, outside)

    table = np.zeros(16, np.int64)
    call(table, Images.of(images), 1, -1, 2, 4, -7)
    expected = np.full((4, 4), -7)
    expected[1:, :2] = [[images[1, i, j].ctypes.data for j in (2, 3)] for i in range(3)]
    np.testing.assert_array_equal(table.reshape(4, 4), expected)


@few
@given(c=convolutions(), tile=st.sampled_from(transforms.TILES))
def test_any_shape_and_padding(c, tile):
    assert_close(c, tile)


@pytest.mark.parametrize("tile", transforms.TILES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_ways_on_remainders_of_everything(way, by_parts, tile, dtype):
    assert_close(example((5, 13, 10, 131), 71, ((1, 1), (0, 2)), dtype), tile)


@pytest.mark.parametrize("tile", transforms.TILES)
def test_accuracy_with_many_channels(tile):
    assert_close(example((2, 14, 14, 256), 256, ((1, 1), (1, 1)), np.float32), tile)


@pytest.fixture
def in_chunks(monkeypatch):
    """Lets weight gradients by blocks take as few tiles at a time as possible."""
    monkeypatch.setattr(winograd, "_CHUNK_BYTES", 0)
    monkeypatch.setattr(winograd, "_LARGE_CHUNK_BYTES", 0)


@pytest.mark.parametrize("tile", transforms.TILES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [(40, 33), (3, 71), (131, 1), (200, 100)], ids=str)
def test_weight_gradients_add_up_chunks(in_chunks, tile, dtype, channels):
    inputs, outputs = channels
    assert_close(example((4, 17, 13, inputs), outputs, ((1, 1), (1, 0)), dtype), tile)


def test_a_sum_over_more_tiles_than_the_longest():
    assert_close(example((6, 50, 50, 3), 5, ((1, 1), (1, 1)), np.float64), 2)


def test_padding_beyond_the_window():
    """Some tiles see nothing but padding, and the input gradient begins inside of gy."""
    assert_close(example((2, 5, 6, 9), 10, ((9, 0), (0, 7)), np.float64), 4)


@pytest.mark.parametrize("tile", transforms.TILES)
def test_no_pixels(tile):
    assert_close(example((2, 0, 1, 3), 4, ((2, 1), (1, 1)), np.float32), tile)
    assert_close(example((0, 5, 5, 3), 4, ((1, 1), (1, 1)), np.float32), tile)


def test_no_channels():
    padding, x, gy = ((1, 1), (0, 0)), np.ones((2, 5, 5, 0), np.float32), np.ones((2, 5, 3, 4), np.float32)
    weight, bias = np.ones((3, 3, 0, 4), np.float32), np.array([1, -2, 3, np.nan], np.float32)
    np.testing.assert_array_equal(winograd.forward(x, weight, padding, 4), np.zeros_like(gy))
    y = winograd.forward(x, weight, padding, 4, bias=bias, relu=True)
    np.testing.assert_array_equal(y, gy * np.array([1, 0, 3, np.nan], np.float32))
    assert winograd.input_gradient(gy, weight, (5, 5), padding, 4).shape == x.shape
    assert winograd.weight_gradient(x, gy, padding, 4).shape == weight.shape
    turned = weight.swapaxes(2, 3)
    assert winograd.forward(gy, turned, padding, 4).shape == (2, 5, 1, 0)
    zeros = winograd.input_gradient(x[:, :, :3], turned, (5, 5), padding, 4)
    np.testing.assert_array_equal(zeros, np.zeros((2, 5, 5, 4), np.float32))


def test_strided_and_read_only_inputs_are_left_as_they_were():
    c = example((2, 9, 8, 20), 33, ((1, 1), (1, 1)), np.float32)
    for spread in (np.s_[..., ::2], np.s_[:, ::2], np.s_[:, :, ::2]):
        arrays = []
        for array in (c.x, c.weight, c.gy):
            repeats = [2 if s.step else 1 for s in spread if s is not Ellipsis]
            axis = 3 if spread[0] is Ellipsis else len(repeats) - 1
            view = np.repeat(array, 2, axis=axis)[spread]
            view.flags.writeable = False
            arrays.append(view)
        x, weight, gy = arrays
        spread_out = SimpleNamespace(**{**vars(c), "x": x, "weight": weight, "gy": gy})
        assert_close(spread_out, 4)
        for view, array in zip(arrays, (c.x, c.weight, c.gy), strict=True):
            np.testing.assert_array_equal(view, array)


def test_nan_and_infinity_are_not_lost(way):
    c = example((1, 12, 12, 20), 40, ((1, 1), (1, 1)), np.float32)
    for special in (np.nan, np.inf):
        x = c.x.copy()
        x[0, 5, 6, 3] = special
        y = winograd.forward(x, c.weight, c.padding, 4, bias=c.bias)
        assert not np.isfinite(y[0, 4:7, 5:8]).any()
        assert np.isfinite(y[0, 8:]).all()
        assert np.isfinite(y[0, :, :4]).all()
    bias = np.where(np.arange(40) == 7, np.nan, -np.inf).astype(np.float32)
    y = winograd.forward(c.x, c.weight, c.padding, 4, bias=bias, relu=True)
    assert np.isnan(y[..., 7]).all()
    assert (np.delete(y, 7, axis=-1) == 0).all()


THREADED_SHAPES = [(8, 20, 20, 40, 40), (3, 4, 4, 70, 300), (4, 12, 12, 160, 160)]


@pytest.mark.parametrize("shape", THREADED_SHAPES, ids=str)
def test_results_do_not_depend_on_the_number_of_threads(shape):
    _check_threads(shape)


@pytest.mark.parametrize("shape", THREADED_SHAPES, ids=str)
def test_results_in_chunks_do_not_depend_on_the_number_of_threads(in_chunks, shape):
    _check_threads(shape)


def _check_threads(shape):
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    if before == 1:
        pytest.skip("there is only one thread here")
    c = example(shape[:4], shape[4], ((1, 1), (1, 1)), np.float32)
    together = results(c, 4)
    try:
        numba.set_num_threads(1)
        alone = results(c, 4)
    finally:
        numba.set_num_threads(before)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_serves_nothing_but_plain_three_by_three():
    assert winograd.serves((3, 3), (1, 1), (1, 1), 1)
    assert not winograd.serves((3, 5), (1, 1), (1, 1), 1)
    assert not winograd.serves((3, 3), (1, 2), (1, 1), 1)
    assert not winograd.serves((3, 3), (1, 1), (2, 1), 1)
    assert not winograd.serves((3, 3), (1, 1), (1, 1), 2)
    assert not winograd.serves((3,), (1,), (1,), 1)
    assert not winograd.serves((3, 3, 3), (1, 1, 1), (1, 1, 1), 1)


@pytest.mark.parametrize("operation", ["forward", "input_gradient", "weight_gradient"])
def test_the_estimate_favours_large_tiles_where_there_is_much_to_compute(operation):
    def totals(channels, size):
        shapes = (32, size, size, channels), (3, 3, channels, channels)
        return [winograd.estimated_cost(operation, *shapes, ((1, 1), (1, 1)), m).total for m in (0, 2, 4)]

    definition, two, four = totals(128, 56)
    assert four < two < definition
    definition, two, four = totals(16, 7)
    assert definition < min(two, four)
    definition, two, four = totals(256, 2)
    assert two < four


def test_the_estimate_counts_the_products_of_whole_tiles():
    shapes = (2, 10, 7, 64), (3, 3, 64, 32)
    cost = winograd.estimated_cost("forward", *shapes, ((1, 1), (1, 1)), 4)
    products = 2 * (2 * 3 * 2) * 36 * 64 * 32
    assert products < cost.operations < 2 * products
    definition = winograd.estimated_cost("forward", *shapes, ((1, 1), (1, 1)), 0)
    assert definition.operations == 2 * (2 * 10 * 7) * 9 * 64 * 32
