"""Dropout: statistics, seeds, messages."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, ShapeError

FUNCTIONS = pytest.mark.parametrize("function", [F.dropout, F.dropout2d, F.alpha_dropout])


@FUNCTIONS
@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_must_be_a_probability(function, p):
    with pytest.raises(ArgumentError) as caught:
        function(np.ones((2, 3, 4)), p)
    assert str(caught.value) == f"{function.__name__}: p must be a probability from 0 to 1, not {p!r}"


def test_whole_channels_need_spatial_axes():
    with pytest.raises(
        ShapeError, match=r"^dropout2d: x must be \(N, \*spatial, C\), but has shape \(2, 3\)$"
    ):
        F.dropout2d(np.ones((2, 3)))


@FUNCTIONS
def test_nothing_happens_at_inference(function):
    x = tn.tensor(np.ones((2, 3, 4)))
    assert function(x, 0.5, training=False) is x
    assert function(x, 0.0) is x


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_share_and_scale(p):
    y = F.dropout(np.ones((200, 200), np.float32), p, generator=tn.Generator(3)).numpy()
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}
    # Six standard deviations of the share among 40,000 elements.
    assert abs((y == 0).mean() - p) < 6 * np.sqrt(p * (1 - p) / 40_000)


def test_channels_go_as_a_whole():
    y = F.dropout2d(np.ones((50, 3, 4, 20)), 0.4, generator=tn.Generator(3)).numpy()
    per_channel = y.reshape(50, 12, 20)
    assert (per_channel == per_channel[:, :1]).all()
    assert abs((per_channel[:, 0] == 0).mean() - 0.4) < 6 * np.sqrt(0.24 / 1000)


@pytest.mark.parametrize("p", [0.1, 0.3])
def test_alpha_dropout_keeps_mean_and_variance(p):
    x = np.random.default_rng(5).normal(size=(400, 500))
    y = F.alpha_dropout(x, p, generator=tn.Generator(3)).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1) < 0.02


def test_seeds_of_the_default_generator():
    x = np.ones((30, 30))
    tn.manual_seed(4)
    first, second = F.dropout(x).numpy(), F.dropout(x).numpy()
    tn.manual_seed(4)
    np.testing.assert_array_equal(F.dropout(x).numpy(), first)
    assert (first != second).any()


def test_gradients_flow_where_elements_were_kept():
    x = tn.tensor(np.ones((20, 20)), requires_grad=True)
    y = F.dropout(x, 0.5, generator=tn.Generator(1))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_a_checkpointed_section_draws_the_same_numbers():
    tn.manual_seed(6)
    x = tn.tensor(np.ones((20, 20)), requires_grad=True)
    y = tn.checkpoint(lambda x: F.dropout(x * 1, 0.5), x)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_second_derivatives():
    x = tn.tensor(np.linspace(-1, 1, 60).reshape(3, 20), requires_grad=True)
    y = F.dropout(x, 0.4, generator=tn.Generator(1))
    kept = (y.numpy() != 0) / 0.6
    (gradient,) = tn.grad((y**3).sum(), [x], create_graph=True)
    np.testing.assert_allclose(gradient.numpy(), 3 * y.numpy() ** 2 * kept, rtol=1e-12)
    (second,) = tn.grad(gradient.sum(), [x])
    np.testing.assert_allclose(second.numpy(), 6 * y.numpy() * kept**2, rtol=1e-12)


def test_gradcheck():
    x = np.random.default_rng(0).normal(size=(3, 7))
    tn.gradcheck(lambda x: F.dropout(x, 0.4, generator=tn.Generator(1)) ** 2, [x])


def test_a_restored_generator_draws_the_same_again():
    generator = tn.Generator(2)
    F.dropout(np.ones(100), generator=generator)
    state = generator.get_state()
    expected = [F.dropout(np.ones((5, n)), generator=generator).numpy() for n in (40, 3, 60)]
    generator.set_state(state)
    for y in expected:
        np.testing.assert_array_equal(F.dropout(np.ones(y.shape), generator=generator).numpy(), y)


def test_all_dtypes_drop_the_same_elements():
    masks = [
        F.dropout(np.ones((9, 50), dtype), 0.3, generator=tn.Generator(2)).numpy() != 0
        for dtype in (np.float16, np.float32, np.float64)
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[1], masks[2])


def test_strided_and_empty_inputs():
    x = np.ones((10, 30))
    for array in (x[:, ::3], x.T, x[:0]):
        y = F.dropout(array, 0.5, generator=tn.Generator(2)).numpy()
        same = F.dropout(array.copy(), 0.5, generator=tn.Generator(2)).numpy()
        np.testing.assert_array_equal(y, same)
