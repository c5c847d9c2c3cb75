"""Winograd's convolution: the matrices against their algebra, the kernels against the reference."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from tinynet_kernels.conv import reference, winograd, winograd_cost
from tinynet_kernels.conv import winograd_transforms as transforms
from tinynet_kernels.simd.transforms import Images, fill_cells
from tinynet_kernels.windows import output_size

few = settings(deadline=None, derandomize=True, max_examples=60)

# Relative to the largest result. The numbers of channels here are small, and so are the sums' own errors.
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
ACCURATE_TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}

PLAIN = [(2, 3), (4, 3)]


@st.composite
def convolutions(draw):
    """A convolution whose window one of the algorithms serves, with the tile's size."""
    tile, taps = draw(st.sampled_from(transforms.ALGORITHMS))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 2), (2, 1), (3, 2)]))
    kernel = tuple(taps * step - draw(st.integers(0, step - 1)) for step in stride)
    before, after = draw(st.tuples(*[st.integers(0, 3)] * 2)), draw(st.tuples(*[st.integers(0, 3)] * 2))
    padding = tuple(zip(before, after, strict=True))
    size = tuple(
        max(k - b - a, 0) + draw(st.integers(0, 9)) for k, (b, a) in zip(kernel, padding, strict=True)
    )
    channels, outputs = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    convolution = example(
        (draw(st.integers(0, 3)), *size, channels),
        outputs,
        padding,
        draw(st.sampled_from([np.float32, np.float64])),
        draw(st.integers(0, 1000)),
        kernel,
        stride,
    )
    return convolution, tile


def example(x_shape, outputs, padding, dtype, seed=0, kernel=(3, 3), stride=(1, 1)):
    """A convolution, its arguments in `dtype` and the results of the reference in float64."""
    random = np.random.default_rng(seed)
    size = x_shape[1:3]
    output = output_size(size, kernel, stride, padding, (1, 1))
    shapes = x_shape, (*kernel, x_shape[3], outputs), (x_shape[0], *output, outputs), (outputs,)
    x, weight, gy, bias = (random.standard_normal(shape).astype(dtype) for shape in shapes)
    wide = [array.astype(np.float64) for array in (x, weight, gy, bias)]
    window = stride, padding, (1, 1), 1
    return SimpleNamespace(
        x=x,
        weight=weight,
        gy=gy,
        bias=bias,
        size=size,
        kernel=kernel,
        stride=stride,
        padding=padding,
        y=reference.forward(*wide[:2], *window),
        y_relu=reference.forward(*wide[:2], *window, bias=wide[3], activation="relu"),
        gx=reference.input_gradient(wide[2], wide[1], size, *window),
        gw=reference.weight_gradient(wide[0], wide[2], kernel, *window),
    )


def results(c, tile):
    window = c.stride, c.padding, tile
    return (
        winograd.forward(c.x, c.weight, *window),
        winograd.forward(c.x, c.weight, *window, bias=c.bias, relu=True),
        winograd.input_gradient(c.gy, c.weight, c.size, *window),
        winograd.weight_gradient(c.x, c.gy, c.kernel, *window),
    )


def assert_close(c, tile, found=None):
    is_accurate = tile + winograd_cost.taps_of(c.kernel, c.stride) == 5
    tolerance = (ACCURATE_TOLERANCE if is_accurate else TOLERANCE)[c.x.dtype.type]
    for f, expected in zip(found or results(c, tile), (c.y, c.y_relu, c.gx, c.gw), strict=True):
        assert f.shape == expected.shape
        assert f.dtype == c.x.dtype
        scale = np.abs(expected).max(initial=0)
        np.testing.assert_allclose(f, expected, rtol=0, atol=tolerance * scale)


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


@pytest.mark.parametrize(("tile", "taps"), transforms.ALGORITHMS)
def test_the_matrices_slide_a_window_exactly(tile, taps):
    input_matrix, weight_matrix, output_matrix = (
        np.array(matrix, object) for matrix in transforms.matrices(tile, taps)
    )
    d = np.array([Fraction(3 * k * k - 7 * k + 2) for k in range(tile + taps - 1)])
    g = np.array([Fraction(5), Fraction(-2, 3), Fraction(7), Fraction(-1), Fraction(3, 4)][:taps])
    y = output_matrix @ ((weight_matrix @ g) * (input_matrix @ d))
    assert list(y) == [sum(g[k] * d[i + k] for k in range(taps)) for i in range(tile)]


def test_the_matrices_are_those_of_lavin_and_gray():
    input_matrix, weight_matrix, output_matrix = transforms.matrices(4, 3)
    assert input_matrix[0] == (4, 0, -5, 0, 1, 0)
    assert input_matrix[4] == (0, 2, -1, -2, 1, 0)
    assert weight_matrix[3] == (Fraction(1, 24), Fraction(1, 12), Fraction(1, 6))
    assert output_matrix[3] == (0, 1, -1, 8, -8, 1)


@pytest.mark.parametrize(("tile", "taps"), PLAIN)
def test_a_few_instructions_less_than_the_plain_matrices(tile, taps):
    """The even and odd parts of the pairs of points are shared."""
    counts = transforms.instructions(tile, taps)[:3]
    for matrix, count in zip(transforms.matrices(tile, taps), counts, strict=True):
        rows, columns = len(matrix), len(matrix[0])
        plain = sum(sum(factor != 0 for factor in row) - 1 for row in matrix) * (rows + columns)
        assert rows**2 + columns**2 < count <= rows**2 + columns**2 + plain


TRANSFORMS = {
    "input": (transforms.transform_input, lambda input, weight, output: input),
    "weight": (transforms.transform_weight, lambda input, weight, output: weight),
    "input_gradient": (transforms.transform_input_gradient, lambda input, weight, output: input.T),
    "output_gradient": (transforms.transform_output_gradient, lambda input, weight, output: output.T),
    "weight_gradient": (transforms.transform_weight_gradient, lambda input, weight, output: weight.T),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(("tile", "taps"), transforms.ALGORITHMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_transform_reads_and_writes_exactly_its_columns(name, tile, taps, dtype):
    transform, choose = TRANSFORMS[name]
    matrix = choose(*(np.array(matrix, np.float64) for matrix in transforms.matrices(tile, taps)))
    results, size = matrix.shape
    before = 12345 if name != "input_gradient" else 100  # to which that one adds

    @njit
    def call(zero, sizes, source, target, columns):
        transform(zero, sizes, source.ctypes.data, 0, target.ctypes.data, 0, columns)

    for columns in (1, 7, 16, 33):
        source = np.full((size, size, columns + 2), np.nan, dtype)
        cells = source[:, :, 1:-1]
        cells[...] = np.random.default_rng(0).standard_normal(cells.shape)
        target = np.full((results, results, columns + 2), before, dtype)
        call(dtype(0), ((0,) * tile, (0,) * taps), addresses(source), addresses(target), columns)
        expected = np.einsum("ik,jl,klc->ijc", matrix, matrix, cells.astype(np.float64))
        expected += before if name == "input_gradient" else 0
        found = target[:, :, 1:-1].copy()
        atol = (1e-5 if dtype == np.float32 else 1e-14) * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
        target[:, :, 1:-1] = before
        np.testing.assert_array_equal(target, before)


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
@given(case=convolutions())
def test_any_window_shape_and_padding(case):
    assert_close(*case)


def test_cells_that_share_an_address_get_the_sum():
    """As neighbouring tiles do, and all pixels outside of an image."""
    transform = transforms.transform_input_gradient

    @njit
    def call(zero, sizes, source, target):
        transform(zero, sizes, source.ctypes.data, 0, target.ctypes.data, 0, 3)

    source, target = np.random.default_rng(0).standard_normal((6, 6, 5)), np.zeros(3)
    call(0.0, ((0,) * 2, (0,) * 5), addresses(source), np.full(36, target.ctypes.data))
    matrix = np.array(transforms.matrices(2, 5)[0], np.float64).T
    expected = np.einsum("ik,jl,klc->c", matrix, matrix, source[:, :, 1:-1])
    np.testing.assert_allclose(target, expected, rtol=1e-12)


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_ways_on_remainders_of_everything(way, by_parts, tile, dtype):
    assert_close(example((5, 13, 10, 131), 71, ((1, 1), (0, 2)), dtype), tile)


@pytest.mark.parametrize(("tile", "taps"), transforms.ALGORITHMS)
def test_accuracy_with_many_channels(tile, taps):
    padding = ((taps // 2, taps // 2), (1, 1))
    assert_close(example((2, 14, 14, 256), 256, padding, np.float32, 0, (taps, taps)), tile)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", ["by tiles", "by strips"], indirect=True)
@pytest.mark.parametrize(("tile", "taps"), [(3, 4), (2, 5), (5, 2)])
def test_larger_and_smaller_windows_go_both_ways(way, by_parts, tile, taps, dtype):
    kernel = (taps, taps)
    assert_close(example((3, 13, 10, 131), 71, ((1, 1), (0, 2)), dtype, 0, kernel), tile)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_phases_with_remainders_of_everything_in_any_number_of_chunks(most, dtype, monkeypatch):
    monkeypatch.setattr(winograd, "tiles_at_a_time", lambda tiles: min(tiles, most))
    c = example((2, 14, 17, 70), 75, ((2, 1), (0, 3)), dtype, 0, (9, 6), (2, 2))
    assert winograd_cost.taps_of(c.kernel, c.stride) is None
    c = example((2, 14, 17, 70), 75, ((2, 1), (0, 3)), dtype, 0, (9, 10), (2, 2))
    assert_close(c, 2)
    assert_close(example((2, 9, 8, 300), 40, ((2, 1), (0, 3)), dtype, 0, (4, 7), (1, 2)), 3)


def test_the_window_of_the_capsule_network():
    assert_close(example((2, 20, 20, 64), 96, ((0, 0), (0, 0)), np.float32, 0, (9, 9), (2, 2)), 2)


@pytest.fixture
def in_chunks(monkeypatch):
    """Lets weight gradients by blocks take as few tiles at a time as possible."""
    monkeypatch.setattr(winograd, "_CHUNK_BYTES", 0)
    monkeypatch.setattr(winograd, "_LARGE_CHUNK_BYTES", 0)


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [(40, 33), (3, 71), (131, 1), (200, 100)], ids=str)
def test_weight_gradients_add_up_chunks(in_chunks, tile, dtype, channels):
    inputs, outputs = channels
    assert_close(example((4, 17, 13, inputs), outputs, ((1, 1), (1, 0)), dtype), tile)
    assert_close(
        example((4, 17, 13, inputs), outputs, ((1, 1), (1, 0)), dtype, 0, (6, 3 * tile // 2), (2, tile // 2)),
        tile,
    )


def test_a_sum_over_more_tiles_than_the_longest():
    assert_close(example((6, 50, 50, 3), 5, ((1, 1), (1, 1)), np.float64), 2)


def test_padding_beyond_the_window():
    """Some tiles see nothing but padding, and the input gradient begins inside of gy."""
    assert_close(example((2, 5, 6, 9), 10, ((9, 0), (0, 7)), np.float64), 4)


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_no_pixels(tile, stride):
    kernel = tuple(3 * step for step in stride)
    assert_close(example((2, 0, 1, 3), 4, ((4, 3), (3, 3)), np.float32, 0, kernel, stride), tile)
    assert_close(example((0, 5, 5, 3), 4, ((1, 1), (1, 1)), np.float32, 0, (3, 3), (1, 1)), tile)
    assert_close(example((0, 6, 7, 3), 4, ((1, 1), (1, 1)), np.float32, 0, kernel, stride), tile)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_no_channels(stride):
    kernel, padding = tuple(3 * step for step in stride), tuple((s, s) for s in stride)
    x, weight = np.ones((2, 8, 8, 0), np.float32), np.ones((*kernel, 0, 4), np.float32)
    size = output_size((8, 8), kernel, stride, padding, (1, 1))
    gy, bias = np.ones((2, *size, 4), np.float32), np.array([1, -2, 3, np.nan], np.float32)
    window = stride, padding, 4
    np.testing.assert_array_equal(winograd.forward(x, weight, *window), np.zeros_like(gy))
    y = winograd.forward(x, weight, *window, bias=bias, relu=True)
    np.testing.assert_array_equal(y, gy * np.array([1, 0, 3, np.nan], np.float32))
    assert winograd.input_gradient(gy, weight, (8, 8), *window).shape == x.shape
    assert winograd.weight_gradient(x, gy, kernel, *window).shape == weight.shape
    turned, images = weight.swapaxes(2, 3), np.ones((2, 8, 8, 4), np.float32)
    assert winograd.forward(images, turned, *window).shape == (2, *size, 0)
    zeros = winograd.input_gradient(np.ones((2, *size, 0), np.float32), turned, (8, 8), *window)
    np.testing.assert_array_equal(zeros, np.zeros((2, 8, 8, 4), np.float32))


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_strided_and_read_only_inputs_are_left_as_they_were(stride):
    kernel = tuple(3 * step for step in stride)
    c = example((2, 9, 8, 20), 33, ((1, 1), (1, 1)), np.float32, 0, kernel, stride)
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
        y = winograd.forward(x, c.weight, c.stride, c.padding, 4, bias=c.bias)
        assert not np.isfinite(y[0, 4:7, 5:8]).any()
        assert np.isfinite(y[0, 8:]).all()
        assert np.isfinite(y[0, :, :4]).all()
    bias = np.where(np.arange(40) == 7, np.nan, -np.inf).astype(np.float32)
    y = winograd.forward(c.x, c.weight, c.stride, c.padding, 4, bias=bias, relu=True)
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
    plain = example(shape[:4], shape[4], ((1, 1), (1, 1)), np.float32)
    strided = example(shape[:4], shape[4], ((1, 1), (1, 1)), np.float32, 0, (5, 6), (2, 2))
    together = results(plain, 4) + results(strided, 4)
    try:
        numba.set_num_threads(1)
        alone = results(plain, 4) + results(strided, 4)
    finally:
        numba.set_num_threads(before)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("kernel", "stride", "tile"), [((3, 3), (1, 1), 4), ((9, 9), (2, 2), 2)])
def test_an_image_is_convolved_alike_in_every_batch(kernel, stride, tile):
    c = example((70, 19, 18, 20), 40, ((1, 1), (1, 1)), np.float32, 0, kernel, stride)
    y, _, gx, _ = results(c, tile)
    window = stride, c.padding, tile
    for n in (0, 31, 69):
        np.testing.assert_array_equal(winograd.forward(c.x[n : n + 1], c.weight, *window)[0], y[n])
        gradient = winograd.input_gradient(c.gy[n : n + 1], c.weight, c.size, *window)
        np.testing.assert_array_equal(gradient[0], gx[n])


def test_serves_plain_square_windows_of_a_few_taps_for_each_step():
    assert winograd.serves((3, 3), (1, 1), (1, 1), 1)
    assert winograd.serves((5, 5), (1, 1), (1, 1), 1)
    assert winograd.serves((9, 10), (2, 2), (1, 1), 1)
    assert winograd.serves((5, 9), (1, 2), (1, 1), 1)
    assert not winograd.serves((3, 5), (1, 1), (1, 1), 1)
    assert not winograd.serves((3, 3), (1, 2), (1, 1), 1)
    assert not winograd.serves((6, 6), (1, 1), (1, 1), 1)
    assert not winograd.serves((2, 2), (2, 2), (1, 1), 1)
    assert not winograd.serves((3, 3), (1, 1), (2, 1), 1)
    assert not winograd.serves((3, 3), (1, 1), (1, 1), 2)
    assert not winograd.serves((3,), (1,), (1,), 1)
    assert not winograd.serves((3, 3, 3), (1, 1, 1), (1, 1, 1), 1)


@pytest.mark.parametrize("operation", ["forward", "input_gradient", "weight_gradient"])
def test_the_estimate_favours_large_tiles_where_there_is_much_to_compute(operation):
    def totals(channels, size):
        shapes = (32, size, size, channels), (3, 3, channels, channels)
        window = (1, 1), ((1, 1), (1, 1))
        return [winograd.estimated_cost(operation, *shapes, *window, m).total for m in (0, 2, 4)]

    definition, two, four = totals(128, 56)
    assert four < two < definition
    definition, two, four = totals(16, 7)
    assert definition < min(two, four)
    definition, two, four = totals(256, 2)
    assert two < four


def test_the_estimate_counts_the_products_of_whole_tiles():
    shapes = (2, 10, 7, 64), (3, 3, 64, 32)
    cost = winograd.estimated_cost("forward", *shapes, (1, 1), ((1, 1), (1, 1)), 4)
    products = 2 * (2 * 3 * 2) * 36 * 64 * 32
    assert products < cost.operations < 2 * products
    definition = winograd.estimated_cost("forward", *shapes, (1, 1), ((1, 1), (1, 1)), 0)
    assert definition.operations == 2 * (2 * 10 * 7) * 9 * 64 * 32
