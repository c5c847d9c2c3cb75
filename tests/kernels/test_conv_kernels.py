"""Convolution: the reference against PyTorch and an inner product, the cpu take against the reference."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import conv, pinned


@st.composite
def convolutions(draw):
    """A convolution in one to three dimensions with everything that belongs to it, at random."""
    dimensions = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(dimensions))

    kernel, stride, dilation = per_axis(1, 3), per_axis(1, 3), per_axis(1, 2)
    padding = tuple(zip(per_axis(0, 2), per_axis(0, 2), strict=True))
    size = tuple(
        d * (k - 1) + 1 + extra for k, d, extra in zip(kernel, dilation, per_axis(0, 5), strict=True)
    )
    groups = draw(st.integers(1, 3))
    per_group = draw(st.sampled_from([1, 1, 2]))
    out_per_group = draw(st.integers(1, 2))
    batch = draw(st.integers(0, 3))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    output = conv.output_size(size, kernel, stride, padding, dilation)
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    return SimpleNamespace(
        x=random.standard_normal((batch, *size, groups * per_group)).astype(dtype),
        weight=random.standard_normal((*kernel, per_group, groups * out_per_group)).astype(dtype),
        bias=random.standard_normal(groups * out_per_group).astype(dtype),
        gy=random.standard_normal((batch, *output, groups * out_per_group)).astype(dtype),
        size=size,
        kernel=kernel,
        window=(stride, padding, dilation),
        groups=groups,
    )


few = settings(deadline=None, derandomize=True, max_examples=60)


@few
@given(c=convolutions())
def test_takes_agree_on_forward_and_both_gradients(c, compare_takes):
    compare_takes(conv.forward, c.x, c.weight, *c.window, c.groups)
    compare_takes(conv.forward, c.x, c.weight, *c.window, c.groups, c.bias, "relu")
    compare_takes(conv.input_gradient, c.gy, c.weight, c.size, *c.window, c.groups)
    compare_takes(conv.weight_gradient, c.x, c.gy, c.kernel, *c.window, c.groups)


@few
@given(c=convolutions())
def test_takes_agree_on_unfolding_and_folding(c, compare_takes):
    columns = compare_takes(conv.im2col, c.x, c.kernel, *c.window)
    compare_takes(conv.col2im, columns, c.size, c.kernel, *c.window)


@few
@given(c=convolutions())
def test_gradients_are_the_adjoints_of_forward(c):
    """forward is linear in x and weight: <gy, forward> = <input_gradient, x> = <weight_gradient, weight>."""
    x, weight, gy = (array.astype(np.float64) for array in (c.x, c.weight, c.gy))
    for take in ("reference", "cpu"):
        with pinned(take):
            expected = np.vdot(gy, conv.forward(x, weight, *c.window, c.groups))
            gx = conv.input_gradient(gy, weight, c.size, *c.window, c.groups)
            gweight = conv.weight_gradient(x, gy, c.kernel, *c.window, c.groups)
        np.testing.assert_allclose(np.vdot(gx, x), expected, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(np.vdot(gweight, weight), expected, rtol=1e-10, atol=1e-10)


@few
@given(c=convolutions())
def test_forward_is_the_unfolded_matrix_product(c, same):
    if c.groups != 1:
        return
    columns = conv.im2col(c.x, c.kernel, *c.window)
    product = columns @ c.weight.reshape(-1, c.weight.shape[-1])
    same(conv.forward(c.x, c.weight, *c.window, 1), product.reshape(c.gy.shape))


@few
@given(c=convolutions())
def test_reference_matches_pytorch(c):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    if len(c.x) == 0:
        return
    stride, padding, dilation = c.window
    x, weight = (torch.from_numpy(array.astype(np.float64)) for array in (c.x, c.weight))
    sides = [side for pair in reversed(padding) for side in pair]
    x = torch.nn.functional.pad(x.movedim(-1, 1), sides)
    function = getattr(torch.nn.functional, f"conv{len(c.size)}d")
    y = function(
        x, weight.movedim(-1, 0).movedim(-1, 1), None, stride, dilation=dilation, groups=c.groups
    ).movedim(1, -1)
    with pinned("reference"):
        found = conv.forward(c.x.astype(np.float64), c.weight.astype(np.float64), *c.window, c.groups)
    np.testing.assert_allclose(found, y.numpy(), rtol=0, atol=1e-12)


def test_col2im_adds_up_every_entry_once():
    padding = ((1, 0), (0, 1))
    columns = conv.im2col(np.ones((1, 4, 4, 1)), (3, 2), (1, 1), padding, (1, 1))
    for take in ("reference", "cpu"):
        with pinned(take):
            counts = conv.col2im(columns, (4, 4), (3, 2), (1, 1), padding, (1, 1))
        rows, across = [2, 3, 2, 1], [1, 2, 2, 2]
        np.testing.assert_array_equal(counts[0, :, :, 0], np.outer(rows, across))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x, w: conv.forward(x[..., :3], w, (1, 1), ((0, 0),) * 2, (1, 1), 1),
            "conv.forward: x has 3 channels (shape (2, 8, 8, 3)) but weight (shape (3, 3, 4, 6)) expects 4 "
            "(1 groups of 4)",
        ),
        (
            lambda x, w: conv.forward(x, w, (1, 1), ((0, 0),) * 2, (1, 1), 3),
            "conv.forward: groups = 3 must divide both 4 input and 6 output channels",
        ),
        (
            lambda x, w: conv.forward(x[0], w, (1, 1), ((0, 0),) * 2, (1, 1), 1),
            "conv.forward: x has shape (8, 8, 4), but a kernel of (3, 3) needs 4 dimensions "
            "(N, *spatial, channels)",
        ),
        (
            lambda x, w: conv.input_gradient(w[None, 0], w, (8, 8), (1, 1), ((0, 0),) * 2, (1, 1), 1),
            "conv.input_gradient: gy has spatial size (3, 4) (shape (1, 3, 4, 6)), but the output of this "
            "convolution has (6, 6)",
        ),
        (
            lambda x, w: conv.weight_gradient(x, x[:1], (3, 3), (1, 1), ((0, 0),) * 2, (1, 1), 1),
            "conv.weight_gradient: x has 2 samples (shape (2, 8, 8, 4)) but gy 1 (shape (1, 8, 8, 4))",
        ),
        (
            lambda x, w: conv.col2im(x[0, 0], (8, 8), (3, 3), (1, 1), ((0, 0),) * 2, (1, 1)),
            "conv.col2im: columns has shape (8, 4), but an output of (6, 6) and a kernel of (3, 3) need "
            "(N * 36, 9 * C)",
        ),
        (
            lambda x, w: conv.forward(x, w, (1, 1), ((0, 0),) * 2, (1, 1), 1, bias=np.zeros(4)),
            "conv.forward: bias has shape (4,) but weight (shape (3, 3, 4, 6)) gives 6 channels",
        ),
        (
            lambda x, w: conv.forward(x, w, (1, 1), ((0, 0),) * 2, (1, 1), 1, activation="tanh"),
            "conv.forward: there is no activation 'tanh'; choose None or 'relu'",
        ),
    ],
)
def test_errors_name_the_argument_and_the_shapes(call, message):
    with pytest.raises(ValueError) as error:
        call(np.zeros((2, 8, 8, 4)), np.zeros((3, 3, 4, 6)))
    assert str(error.value) == message
