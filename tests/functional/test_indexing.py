"""Indexing beyond the table: kinds of keys, repeated indices, out-of-range messages."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError


@pytest.fixture
def x():
    return tn.Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)


def test_tensors_as_indices(x):
    assert x[tn.tensor(1)].tolist() == [4, 5, 6, 7]
    assert x[tn.tensor([0, 2]), tn.tensor([1, 1])].tolist() == [1, 9]
    assert x[x > 9].tolist() == [10, 11]
    assert x[np.int64(1), np.int64(2)].item() == 6


def test_repeated_indices_add_up(x):
    x[[0, 0, -3]].sum().backward()
    assert x.grad.tolist() == [[3] * 4, [0] * 4, [0] * 4]


def test_gradient_through_a_mask(x):
    (x[x > 9] * np.float64([2, 3])).sum().backward()
    assert x.grad.tolist() == [[0] * 4, [0] * 4, [0, 0, 2, 3]]


def test_second_derivative_through_repeated_indices(x):
    y = x[[1, 1], [2, 2]]
    first = tn.grad((y * y).sum(), x, create_graph=True)
    assert first[1, 2].item() == 4 * 6
    assert tn.grad(first.sum(), x)[1, 2].item() == 4


def test_iteration_and_length(x):
    rows = list(x)
    assert len(rows) == len(x) == 3
    rows[1].sum().backward()
    assert x.grad.tolist() == [[0] * 4, [1] * 4, [0] * 4]


def test_outside():
    x = np.ones((3, 4))
    with pytest.raises(IndexError, match=r"^getitem: index 3 is out of bounds .* \(x has shape \(3, 4\)\)$"):
        F.getitem(x, 3)
    with pytest.raises(
        IndexError, match=r"^take: index 4 at position \(1,\) is outside axis 1 of x \(shape \(3, 4\)\)$"
    ):
        F.take(x, [0, 4], axis=1)
    with pytest.raises(IndexError, match=r"^gather: index -5 at position \(0, 1\) is outside axis 1"):
        F.gather(x, [[0, -5]], axis=1)
    with pytest.raises(
        IndexError, match=r"^embedding: index 12 at position \(0, 1\) is outside the table of 3 rows$"
    ):
        F.embedding([[0, 12]], x)
    with pytest.raises(IndexError, match=r"^embedding: indices must not be negative, the smallest is -1$"):
        F.embedding([-1], x)


def test_indices_must_be_integers():
    for function in (F.take, lambda x, i: F.gather(x, i, 0), lambda x, i: F.embedding(i, x)):
        with pytest.raises(DTypeError, match="indices must be integers, not float32"):
            function(np.ones((3, 4)), [[0.5]])
    with pytest.raises(DTypeError, match=r"^getitem: indices must be integers or truth values, not float32$"):
        F.getitem(np.ones(3), tn.tensor([0.5]))


def test_shapes_of_indices():
    x = np.ones((3, 4))
    with pytest.raises(ShapeError, match=r"^gather: indices of shape \(2,\) must have as many axes as x"):
        F.gather(x, [0, 1], 1)
    with pytest.raises(ShapeError, match=r"reach outside x of shape \(3, 4\) along axis 0$"):
        F.gather(x, np.zeros((4, 1), int), 1)
    with pytest.raises(ShapeError, match=r"^scatter_add: source has shape \(3, 2\) but indices have"):
        F.scatter_add(x, np.zeros((3, 1), int), np.ones((3, 2)), 1)
    with pytest.raises(ShapeError, match=r"^index_select: indices must have one axis, not shape \(1, 1\)$"):
        F.index_select(x, [[0]])


def test_padding_row_of_an_embedding():
    weight = tn.Tensor(np.ones((4, 2)), requires_grad=True)
    y = F.embedding([[1, 2], [2, 3]], weight, padding_index=2)
    assert y.shape == (2, 2, 2)
    for create_graph in (False, True):
        gradient = tn.grad(y.sum(), weight, create_graph=create_graph, retain_graph=True)
        assert gradient.tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]
    with pytest.raises(ArgumentError, match=r"^embedding: padding_index 4 is outside the table of 4 rows$"):
        F.embedding([0], weight, padding_index=4)


def test_embedding_of_nothing():
    weight = tn.Tensor(np.ones((4, 2)), requires_grad=True)
    y = F.embedding(np.zeros((0, 3), int), weight)
    assert y.shape == (0, 3, 2)
    y.sum().backward()
    assert weight.grad.tolist() == [[0, 0]] * 4


def test_embedding_adds_up_repeated_rows():
    rng = np.random.default_rng(0)
    indices, gradient = rng.integers(0, 50, 1000), rng.normal(size=(1000, 3))
    weight = tn.Tensor(np.zeros((60, 3)), requires_grad=True)
    F.embedding(indices, weight).backward(gradient)
    expected = np.zeros((60, 3))
    np.add.at(expected, indices, gradient)
    np.testing.assert_allclose(weight.grad.numpy(), expected, atol=1e-12)
