"""The methods behind the cpu take of the convolution, each on its own, and the plan that chooses one."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import conv, pinned
from tinynet_kernels.conv import direct, folded, pointwise, reference, unfolded, windowed

few = settings(deadline=None, derandomize=True, max_examples=80)

TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}


@st.composite
def convolutions(draw, most_dimensions=3, most_dilation=2, most_groups=3, most_channels=9):
    """A convolution with its bias and output gradient; the number of channels is any, not a round one."""
    dimensions = draw(st.integers(1, most_dimensions))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dimensions))

    kernel, stride = per_axis(1, 5), per_axis(1, 3)
    dilation = (*per_axis(1, 2)[1:], draw(st.integers(1, most_dilation)))
    padding = tuple(zip(per_axis(0, 4), per_axis(0, 4), strict=True))
    size = tuple(
        max(1, d * (k - 1) + 1 + extra - sum(pair))
        for k, d, extra, pair in zip(kernel, dilation, per_axis(0, 9), padding, strict=True)
    )
    groups = draw(st.integers(1, most_groups))
    inputs, outputs = draw(st.integers(1, most_channels)), draw(st.integers(1, 40))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    output = conv.output_size(size, kernel, stride, padding, dilation)
    batch = draw(st.integers(0, 4))
    random = np.random.default_rng(draw(st.integers(0, 1000)))

    def numbers(*shape):
        return random.standard_normal(shape).astype(dtype)

    return SimpleNamespace(
        x=numbers(batch, *size, groups * inputs),
        weight=numbers(*kernel, inputs, groups * outputs),
        bias=numbers(groups * outputs),
        gy=numbers(batch, *output, groups * outputs),
        size=size,
        kernel=kernel,
        window=(stride, padding, dilation),
        groups=groups,
    )


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    scale = max(1, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[expected.dtype] * scale)


@few
@given(c=convolutions())
def test_direct_equals_the_reference(c):
    _check_direct(c)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(c=convolutions(most_dimensions=2, most_channels=700))
def test_direct_with_many_channels_equals_the_reference(c):
    _check_direct(c)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(c=convolutions(), depth=st.sampled_from([1, 6, 40]), partial_bytes=st.sampled_from([1, 4000, 8 << 20]))
def test_direct_in_parts_of_the_sum_equals_the_reference(c, depth, partial_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "_PART_DEPTH", depth)
        patch.setattr(direct, "_FEW_POSITIONS", 1 << 20)
        patch.setattr(direct, "_PARTIAL_BYTES", partial_bytes)
        direct._weight_blocking.cache_clear()
        _check_direct(c)
    direct._weight_blocking.cache_clear()


def _check_direct(c):
    for bias, activation in ((None, None), (c.bias, None), (c.bias, "relu"), (None, "relu")):
        arguments = c.x, c.weight, *c.window, c.groups, bias, activation
        assert_close(direct.forward(*arguments), reference.forward(*arguments))
    arguments = c.gy, c.weight, c.size, *c.window, c.groups
    assert_close(direct.input_gradient(*arguments), reference.input_gradient(*arguments))
    arguments = c.x, c.gy, c.kernel, *c.window, c.groups
    assert_close(direct.weight_gradient(*arguments), reference.weight_gradient(*arguments))


@few
@given(c=convolutions(), bytes_of_sums=st.sampled_from([1, 4000, 1 << 20]))
def test_folded_equals_the_reference_in_tasks_of_any_size(c, bytes_of_sums):
    _check_folded(c, bytes_of_sums)


@settings(deadline=None, derandomize=True, max_examples=15)
@given(c=convolutions(most_dimensions=2, most_channels=100))
def test_folded_with_many_channels_equals_the_reference(c):
    _check_folded(c, folded._SUMS_BYTES)


def _check_folded(c, bytes_of_sums):
    arguments = c.gy, c.weight, c.size, *c.window, c.groups
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folded, "_SUMS_BYTES", bytes_of_sums)
        folded._owned.cache_clear()
        found = folded.input_gradient(*arguments)
    folded._owned.cache_clear()
    assert_close(found, reference.input_gradient(*arguments))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [32, 40, 64])
def test_large_results_are_folded_alike(channels, dtype, monkeypatch):
    random = np.random.default_rng(0)
    gy = random.standard_normal((3, 9, 8, 24)).astype(dtype)
    weight = random.standard_normal((3, 3, channels, 24)).astype(dtype)
    arguments = gy, weight, (18, 16), (2, 2), ((1, 1), (1, 1)), (1, 1), 1
    expected = folded.input_gradient(*arguments)
    monkeypatch.setattr(folded, "LARGE", 1)
    np.testing.assert_array_equal(folded.input_gradient(*arguments), expected)


def test_folded_gradients_of_an_image_are_alike_in_every_batch():
    random = np.random.default_rng(0)
    gy = random.standard_normal((9, 6, 6, 40), dtype=np.float32)
    weight = random.standard_normal((5, 3, 70, 40), dtype=np.float32)
    arguments = weight, (15, 13), (2, 2), ((0, 0), (0, 0)), (1, 1), 1
    whole = folded.input_gradient(gy, *arguments)
    for n in (0, 4, 8):
        np.testing.assert_array_equal(folded.input_gradient(gy[n : n + 1], *arguments)[0], whole[n])


@few
@given(c=convolutions(most_dimensions=2, most_dilation=1, most_groups=1))
def test_windowed_equals_the_reference(c):
    for bias, activation in ((None, None), (c.bias, None), (c.bias, "relu"), (None, "relu")):
        expected = reference.forward(c.x, c.weight, *c.window, 1, bias, activation)
        assert_close(windowed.forward(c.x, c.weight, *c.window, bias, activation), expected)
    expected = reference.weight_gradient(c.x, c.gy, c.kernel, *c.window, 1)
    assert_close(windowed.weight_gradient(c.x, c.gy, c.kernel, *c.window), expected)
    expected = reference.input_gradient(c.gy, c.weight, c.size, *c.window, 1)
    assert_close(windowed.input_gradient(c.gy, c.weight, c.size, *c.window), expected)


@few
@given(
    shape=st.tuples(st.integers(1, 900), st.integers(1, 70), st.integers(1, 70)),
    dtype=st.sampled_from([np.float32, np.float64]),
    is_past_cache=st.booleans(),
)
def test_pointwise_equals_the_reference(shape, dtype, is_past_cache):
    pixels, depth, columns = shape
    random = np.random.default_rng(pixels)
    x = random.standard_normal((1, pixels, depth)).astype(dtype)
    weight = random.standard_normal((1, depth, columns)).astype(dtype)
    bias = random.standard_normal(columns).astype(dtype)
    transposed = np.ascontiguousarray(weight[0].T)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pointwise, "LARGE", 1 if is_past_cache else 1 << 40)
        for b, activation in ((None, None), (bias, None), (bias, "relu"), (None, "relu")):
            expected = reference.forward(x, weight, (1,), ((0, 0),), (1,), 1, b, activation)
            assert_close(pointwise.product(x, weight[0], False, b, activation), expected)
            assert_close(pointwise.product(x, transposed, True, b, activation), expected)


def test_large_images_with_few_channels_go_pointwise(compare_takes):
    random = np.random.default_rng(0)
    x = random.standard_normal((7, 100, 101, 8), dtype=np.float32)
    weight = random.standard_normal((1, 1, 8, 64), dtype=np.float32)
    bias = random.standard_normal(64, dtype=np.float32)
    window = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert conv.plan("forward", x.shape, weight.shape, *window).name == "pointwise"
    y = compare_takes(conv.forward, x, weight, *window, bias, "relu")
    compare_takes(conv.input_gradient, y, weight, x.shape[1:-1], *window)


def test_results_of_folding_parts_and_pixels_do_not_depend_on_the_number_of_threads(monkeypatch):
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads()
    if before == 1:
        pytest.skip("there is only one thread here")
    monkeypatch.setattr(direct, "_PART_DEPTH", 100)
    random = np.random.default_rng(0)
    x = random.standard_normal((5, 19, 17, 40), dtype=np.float32)
    weight = random.standard_normal((5, 4, 40, 70), dtype=np.float32)
    window = ((2, 3), ((1, 0), (0, 2)), (1, 1), 1)

    def results():
        y = direct.forward(x, weight, *window)
        gx = folded.input_gradient(y, weight, (19, 17), *window)
        return y, gx, pointwise.product(x, weight[0, 0])

    try:
        numba.set_num_threads(1)
        alone = results()
    finally:
        numba.set_num_threads(before)
    for a, b in zip(alone, results(), strict=True):
        np.testing.assert_array_equal(a, b)


@few
@given(c=convolutions(), piece=st.sampled_from([1, 2000, 1 << 20]))
def test_unfolded_equals_the_reference_in_pieces_of_any_size(c, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unfolded, "_PIECE_BYTES", piece)
        found = (
            unfolded.forward(c.x, c.weight, *c.window, c.groups),
            unfolded.input_gradient(c.gy, c.weight, c.size, *c.window, c.groups),
            unfolded.weight_gradient(c.x, c.gy, c.kernel, *c.window, c.groups),
        )
    assert_close(found[0], reference.forward(c.x, c.weight, *c.window, c.groups))
    assert_close(found[1], reference.input_gradient(c.gy, c.weight, c.size, *c.window, c.groups))
    assert_close(found[2], reference.weight_gradient(c.x, c.gy, c.kernel, *c.window, c.groups))


@pytest.mark.parametrize("method", [direct, unfolded], ids=lambda method: method.__name__.rpartition(".")[2])
def test_nan_and_infinity_come_out_where_they_are_seen(method):
    x = np.zeros((1, 5, 6, 3), np.float32)
    x[0, 2, 2, 1], x[0, 4, 5, 0] = np.nan, np.inf
    weight = np.ones((3, 3, 3, 4), np.float32)
    window = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    with np.errstate(invalid="ignore"):
        found, expected = method.forward(x, weight, *window), reference.forward(x, weight, *window)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


def test_relu_keeps_nan():
    x = np.full((1, 3, 3, 2), np.nan, np.float32)
    weight = np.ones((2, 2, 2, 5), np.float32)
    window = ((1, 1), ((0, 0), (0, 0)), (1, 1))
    assert np.isnan(direct.forward(x, weight, *window, 1, None, "relu")).all()
    assert np.isnan(windowed.forward(x, weight, *window, None, "relu")).all()


def test_direct_convolves_an_image_alike_in_every_batch():
    random = np.random.default_rng(0)
    x = random.standard_normal((9, 13, 11, 40), dtype=np.float32)
    for kernel, stride in (((3, 3), (1, 1)), ((5, 3), (2, 1)), ((1, 1), (1, 1)), ((11, 10), (1, 1))):
        weight = random.standard_normal((*kernel, 40, 70), dtype=np.float32)
        window = (stride, ((1, 1), (1, 1)), (1, 1), 1)
        whole = direct.forward(x, weight, *window)
        for n in (0, 4, 8):
            np.testing.assert_array_equal(direct.forward(x[n : n + 1], weight, *window)[0], whole[n])


ORDINARY = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}


@pytest.mark.parametrize(
    ("operation", "channels", "weight_shape", "changes", "expected"),
    [
        ("forward", 64, (3, 3, 64, 64), {}, "winograd F(4, 3)"),
        ("input_gradient", 64, (3, 3, 64, 64), {}, "winograd F(4, 3)"),
        ("weight_gradient", 64, (3, 3, 64, 64), {}, "winograd F(4, 3)"),
        ("forward", 64, (3, 3, 64, 64), {"stride": (2, 2)}, "direct"),
        ("forward", 64, (3, 3, 64, 64), {"dilation": (2, 2)}, "direct"),
        ("forward", 64, (3, 3, 32, 64), {"groups": 2}, "direct"),
        ("forward", 64, (3, 3, 1, 64), {"groups": 64}, "depthwise"),
        ("forward", 64, (1, 1, 64, 128), {"padding": ((0, 0), (0, 0))}, "product"),
        ("forward", 99, (1, 1, 99, 128), {"stride": (2, 2)}, "direct"),
        ("forward", 1, (5, 5, 1, 6), {}, "windowed"),
        ("input_gradient", 1, (5, 5, 1, 6), {}, "windowed"),
        ("input_gradient", 16, (5, 3, 16, 6), {}, "direct"),
        ("input_gradient", 64, (3, 3, 64, 64), {"stride": (2, 2)}, "folded"),
        ("input_gradient", 64, (1, 1, 64, 128), {"stride": (2, 2), "padding": ((0, 0), (0, 0))}, "folded"),
        ("input_gradient", 64, (6, 6, 64, 64), {}, "folded"),
        ("input_gradient", 64, (5, 5, 64, 64), {}, "winograd F(2, 5)"),
        ("forward", 64, (4, 4, 64, 64), {}, "winograd F(3, 4)"),
        ("forward", 128, (9, 9, 128, 128), {"stride": (2, 2)}, "winograd F(2, 5)"),
        ("weight_gradient", 3, (7, 7, 3, 64), {"stride": (2, 2)}, "windowed"),
    ],
)
def test_the_plan_goes_by_the_shape(operation, channels, weight_shape, changes, expected):
    x_shape = (16, 28, 28, channels)
    chosen = conv.plan(operation, x_shape, weight_shape, **{**ORDINARY, **changes})
    assert chosen.name == expected
    assert chosen.reason


def test_the_plan_says_how_many_zeros_folding_saves():
    window = {**ORDINARY, "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    chosen = conv.plan("input_gradient", (16, 20, 20, 256), (11, 11, 256, 256), **window)
    assert str(chosen) == "folded: direct would multiply 4 times as much, the rest by zeros"


def test_the_plan_of_the_capsule_network_does_with_fewer_multiplications():
    window = {**ORDINARY, "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    arguments = (16, 20, 20, 256), (9, 9, 256, 256)
    for operation in ("forward", "input_gradient", "weight_gradient"):
        chosen = conv.plan(operation, *arguments, **window)
        assert (chosen.name, chosen.tile, chosen.taps) == ("winograd F(2, 5)", 2, 5)
    with pinned("strict"):
        assert conv.plan("forward", *arguments, **window).name == "direct"


def test_strict_plans_do_without_f43():
    arguments = ("forward", (16, 28, 28, 64), (3, 3, 64, 64), *ORDINARY.values())
    with pinned("strict"):
        assert conv.plan(*arguments).tile != 4
    with pinned("fast"):
        assert conv.plan(*arguments).tile == 4
    assert conv.plan(*arguments).tile == 4


def test_the_plan_counts_the_multiplications_of_the_definition():
    chosen = conv.plan("forward", (2, 8, 8, 4), (3, 3, 4, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    assert chosen.multiply_adds == 2 * 6 * 6 * 3 * 3 * 4 * 5


def test_a_plan_for_no_operation():
    with pytest.raises(ValueError, match="there is no operation 'backward'; choose one of forward, input"):
        conv.plan("backward", (1, 8, 8, 4), (3, 3, 4, 5), *ORDINARY.values())
