"""Pooling: messages, ties, indices, documented shapes."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError


def message_of(error, function, *arguments, **options):
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_messages():
    x = np.ones((1, 4, 2, 3))
    assert message_of(ShapeError, F.max_pool2d, x, 3) == (
        "max_pool2d: the window covers 3 (size 3, dilation 1) but spatial axis 1 of x has only 2 "
        "(size 2, padding (0, 0))"
    )
    assert message_of(ShapeError, F.avg_pool1d, x, 2) == (
        "avg_pool1d: x must have 3 axes (N, T, C), but has shape (1, 4, 2, 3)"
    )
    assert message_of(ArgumentError, F.max_pool2d, x, (2, 0)) == (
        "max_pool2d: window must be an integer of at least 1 or 2 of them, not (2, 0)"
    )
    assert message_of(ArgumentError, F.max_pool2d, x, 2, padding=((0, 0), (0, 2))) == (
        "max_pool2d: padding (0, 2) of spatial axis 1 must be less than the 2 elements that the window covers"
    )
    assert message_of(DTypeError, F.max_pool2d, np.ones((1, 4, 4, 1), int), 2) == (
        "max_pool2d: x must hold floating-point numbers, not int64"
    )
    assert message_of(ShapeError, F.global_max_pool, np.ones((2, 3))) == (
        "global_max_pool: x must be (N, *spatial, C), but has shape (2, 3)"
    )
    assert message_of(ShapeError, F.adaptive_avg_pool2d, np.ones((1, 0, 2, 3)), 1) == (
        "adaptive_avg_pool2d: x has no spatial elements (shape (1, 0, 2, 3))"
    )


def test_documented_shapes():
    assert F.max_pool2d(np.ones((1, 4, 4, 10)), 2).shape == (1, 2, 2, 10)
    assert F.max_pool2d(np.ones((1, 24, 9, 4)), (2, 1)).shape == (1, 12, 9, 4)
    assert F.max_pool2d(np.ones((1, 227, 227, 1)), 3, 2).shape == (1, 113, 113, 1)


def test_the_first_of_equal_numbers_gets_the_gradient():
    x = tn.tensor(np.ones((1, 2, 4, 1)), requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    assert x.grad.numpy()[0, :, :, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0]]


def test_padding_is_never_the_largest():
    x = -np.ones((1, 3, 3, 1))
    assert F.max_pool2d(x, 3, stride=1, padding=1).numpy().max() == -1


def test_gradients_of_overlapping_windows_add_up():
    x = tn.tensor(np.array([0.0, 9.0, 1.0]).reshape(1, 3, 1), requires_grad=True)
    F.max_pool1d(x, 2, stride=1).sum().backward()
    assert x.grad.numpy().ravel().tolist() == [0, 2, 0]


def test_indices_belong_to_the_caller(rng):
    x = tn.tensor(rng.normal(size=(1, 4, 4, 2)), requires_grad=True)
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    assert indices.dtype == np.int32
    assert not indices.requires_grad
    indices[...] = 0
    y.sum().backward()
    assert (x.grad.numpy() * x.numpy()).sum() == pytest.approx(y.numpy().sum())


def test_nan_wins():
    x = np.zeros((1, 4, 4, 1))
    x[0, 1, 1] = np.nan
    assert np.isnan(F.max_pool2d(x, 2).numpy()).ravel().tolist() == [True, False, False, False]


def test_padding_counts_or_not():
    x = np.ones((1, 2, 1))
    assert F.avg_pool1d(x, 2, padding=1).numpy().ravel().tolist() == [0.5, 0.5]
    assert F.avg_pool1d(x, 2, padding=1, count_padding=False).numpy().ravel().tolist() == [1, 1]


def test_third_derivative_of_average_and_max(rng):
    for pool in (F.avg_pool2d, F.max_pool2d):
        x = tn.tensor(rng.normal(size=(1, 4, 4, 1)), requires_grad=True)
        derivative = (pool(x, 2) ** 4).sum()
        for _ in range(3):
            (gradient,) = tn.grad(derivative, [x], create_graph=True)
            derivative = gradient.sum()
        # In the direction of ones each output grows with slope 1.
        assert derivative.item() == pytest.approx(24 * pool(x, 2).numpy().sum(), rel=1e-10)


@pytest.mark.parametrize(
    "function",
    [lambda x: F.max_pool2d(x, 2), lambda x: F.avg_pool2d(x, 2), lambda x: F.adaptive_max_pool2d(x, 3)],
)
def test_empty_batch(function):
    x = tn.tensor(np.ones((0, 4, 4, 2)), requires_grad=True)
    y = function(x)
    assert y.shape[0] == 0
    y.sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("size", [4, 5])
def test_adaptive_max_pooling_gives_the_gradient_to_one_of_equals(size):
    """Whether or not the bins divide the input; overlapping bins may choose the same element."""
    x = tn.tensor(np.zeros((1, size, size, 1)), requires_grad=True)
    F.adaptive_max_pool2d(x, 2).sum().backward()
    assert x.grad.numpy().sum() == 4
    assert set(x.grad.numpy().ravel().tolist()) <= {0.0, 1.0, 2.0, 4.0}
