"""Reductions at ties, zeros, infinities and without elements; their messages."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, ShapeError


def gradient(function, numbers):
    x = tn.Tensor(np.asarray(numbers, np.float64), requires_grad=True)
    return tn.grad(function(x).sum(), x).tolist()


def test_equal_extremes_share_the_gradient():
    assert gradient(lambda x: x.max(), [1, 3, 3, 2]) == [0, 0.5, 0.5, 0]
    assert gradient(lambda x: x.min(axis=1), [[1, 1], [2, 3]]) == [[0.5, 0.5], [1, 0]]


def test_product_with_zeros():
    assert gradient(F.prod, [2, 0, 3]) == [0, 6, 0]
    assert gradient(F.prod, [0, 0, 3]) == [0, 0, 0]
    x = tn.Tensor(np.float64([0, 0, 3]), requires_grad=True)
    first = tn.grad(F.prod(x), x, create_graph=True)
    assert tn.grad(first[0], x).tolist() == [0, 3, 0]


def test_product_of_nothing_is_one():
    x = tn.Tensor(np.ones((3, 0)), requires_grad=True)
    y = F.prod(x, axis=1)
    assert y.tolist() == [1, 1, 1]
    y.sum().backward()
    assert x.grad.shape == (3, 0)


def test_gradients_are_zero_where_a_root_has_none():
    assert gradient(lambda x: x.std(axis=1), [[2, 2], [1, 3]]) == [[0, 0], [-0.5, 0.5]]
    np.testing.assert_allclose(
        gradient(lambda x: x.norm(axis=1), [[0, 0], [3, 4]]), [[0, 0], [0.6, 0.8]], rtol=1e-15
    )
    assert gradient(lambda x: x.norm(3, axis=1)[0], [[0, 0], [3, 4]]) == [[0, 0], [0, 0]]


def test_logsumexp_neither_overflows_nor_mistakes_minus_infinity():
    assert F.logsumexp(np.float64([1000, 1000])).item() == pytest.approx(1000 + math.log(2))
    rows = np.float64([[-np.inf, -np.inf], [-np.inf, 0]])
    assert F.logsumexp(rows, axis=1).tolist() == [-np.inf, 0]
    assert F.logsumexp(np.float64([np.inf, 0])).item() == np.inf
    assert gradient(lambda x: x.logsumexp(axis=1), rows) == [[0, 0], [0, 1]]


def test_means_of_nothing_are_nan():
    nothing = np.ones((2, 0), np.float32)
    assert np.isnan(F.mean(nothing).item())
    assert np.isnan(F.var(nothing, axis=1).numpy()).all()
    assert np.isnan(F.var(np.ones(1, np.float32), correction=1).item())
    assert F.mean(nothing, axis=0).shape == (0,)


def test_dtypes():
    assert F.sum([True, True]).dtype == np.int64
    assert F.mean([1, 2]).dtype == np.float32
    assert F.argmax(np.ones(3, np.float32)).dtype == np.int64
    assert F.max([1, 2]).dtype == np.int64


@pytest.mark.parametrize("function", [F.sum, F.mean, F.prod, F.max, F.var, F.all, F.argmin, F.median])
def test_an_axis_that_does_not_exist_is_named(function):
    with pytest.raises(ShapeError) as caught:
        function(np.ones((2, 3)), axis=2)
    assert str(caught.value) == f"{function.__name__}: axis 2 is out of range for x of shape (2, 3)"


def test_an_axis_named_twice():
    with pytest.raises(
        ShapeError, match=r"^sum: axis \(0, -2\) names an axis of x \(shape \(2, 3\)\) twice$"
    ):
        F.sum(np.ones((2, 3)), axis=(0, -2))


def test_an_axis_that_is_no_integer():
    with pytest.raises(ArgumentError, match=r"^mean: axis must be an integer, not 1\.5$"):
        F.mean(np.ones((2, 3)), axis=1.5)


def test_no_elements_to_choose_from():
    nothing = np.ones((0, 3))
    with pytest.raises(ShapeError, match=r"^max: axis 0 of x \(shape \(0, 3\)\) has no elements$"):
        F.max(nothing)
    with pytest.raises(ShapeError, match=r"^argmax: x of shape \(0, 3\) has no elements to choose from$"):
        F.argmax(nothing, axis=0)
    assert F.max(nothing, axis=1).shape == (0,)


def test_norm_needs_a_positive_order():
    with pytest.raises(ArgumentError, match=r"^norm: order must be positive, not -1$"):
        F.norm(np.ones(3), -1)


def test_sorting_keeps_the_order_of_equal_elements():
    assert F.argsort([1, 0, 1, 0]).tolist() == [1, 3, 0, 2]
    assert F.argsort([1, 0, 1, 0], descending=True).tolist() == [0, 2, 1, 3]


def test_gradients_find_their_way_back_from_sorted_elements():
    assert gradient(lambda x: F.sort(x)[0] * np.float64([1, 2, 3]), [3, 1, 2]) == [3, 1, 2]
    assert gradient(lambda x: F.topk(x, 2)[0] * np.float64([1, 2]), [3, 1, 2]) == [1, 0, 2]
    assert gradient(F.median, [3, 1, 2, 7]) == [0.5, 0, 0.5, 0]


def test_topk_of_too_many():
    with pytest.raises(ShapeError, match=r"^topk: k = 4 but axis 1 of x \(shape \(2, 3\)\) has 3 elements$"):
        F.topk(np.ones((2, 3)), 4)


def test_median_of_all_elements_with_keepdims():
    assert F.median(np.float64([[1, 2], [3, 10]]), keepdims=True).tolist() == [[2.5]]
