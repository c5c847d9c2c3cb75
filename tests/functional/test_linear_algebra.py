"""Products: messages, dtypes, broadcasting details."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError


def message_of(function, *arguments, error=ShapeError):
    with pytest.raises(error) as caught:
        function(*arguments)
    return str(caught.value)


def test_messages_of_matmul():
    assert message_of(F.matmul, np.ones((3, 4)), np.ones((5, 2))) == (
        "matmul: x has 4 columns (axis −1 of shape (3, 4)) but y has 5 rows (axis −2 of shape (5, 2))"
    )
    assert message_of(F.matmul, np.ones((3, 4)), np.ones(5)) == (
        "matmul: x has 4 elements along its last axis (shape (3, 4)) but y has 5 to multiply them with "
        "(shape (5,))"
    )
    assert message_of(F.matmul, np.ones((2, 3, 4)), np.ones((3, 4, 2))) == (
        "matmul: shapes (2, 3, 4) and (3, 4, 2) do not broadcast: axis −3 has 2 against 3 elements"
    )
    assert message_of(F.matmul, np.ones(3), np.float64(2)) == (
        "matmul: y has no axes; use * to multiply by a number"
    )


def test_messages_of_linear():
    x, weight = np.ones((8, 3)), np.ones((4, 2))
    assert message_of(F.linear, x, weight) == (
        "linear: x has 3 features (shape (8, 3)) but weight expects 4 (shape (4, 2))"
    )
    assert message_of(F.linear, np.ones((8, 4)), weight, np.ones(3)) == (
        "linear: bias has shape (3,) but weight gives 2 features (shape (4, 2))"
    )
    assert message_of(F.linear, x, np.ones(4)) == "linear: weight must have shape (in, out), not (4,)"
    assert message_of(F.linear, np.ones((8, 4), np.float32), weight, error=DTypeError) == (
        "linear: x is float32 but weight is float64; convert with .astype(...)"
    )


def test_messages_of_einsum():
    x = np.ones((3, 4))
    assert message_of(F.einsum, "ij,jk->ik", x, np.ones((5, 2))) == (
        "einsum: 'j' has 4 elements in an earlier place of 'ij,jk->ik' but 5 along axis 0 of operand 1 "
        "(shape (5, 2))"
    )
    assert message_of(F.einsum, "ijk->i", x) == (
        "einsum: operand 0 has 2 axes (shape (3, 4)) but 'ijk' names 3"
    )
    for equation, expected in {
        "ij,jk->ik": "einsum: 'ij,jk->ik' names 2 operands but 1 were given",
        "ij->k": "einsum: letter 'k' of the output is in no operand of 'ij->k'",
        "ij->ii": "einsum: letter 'i' occurs twice in the output of 'ij->ii'",
        "i1->i": "einsum: 'i1' in 'i1->i' is not made of letters and one '...'",
    }.items():
        assert message_of(F.einsum, equation, x, error=ArgumentError) == expected


def test_einsum_does_not_stretch_a_named_letter():
    assert "'j' has 4 elements" in message_of(F.einsum, "ij,jk", np.ones((3, 4)), np.ones((1, 2)))


def test_einsum_broadcasts_the_ellipsis_in_both_directions():
    x, y = np.ones((1, 5, 3)), np.ones((2, 1, 3))
    result = F.einsum("...i,...i->...", x, y)
    assert result.shape == (2, 5)
    assert (result.numpy() == 3).all()


def test_einsum_keeps_float32():
    x = tn.Tensor(np.ones((3, 3), np.float32), requires_grad=True)
    y = F.einsum("ii->", x)
    assert y.dtype == np.float32
    (gradient,) = tn.grad(y, [x], create_graph=True)
    assert gradient.dtype == np.float32
    assert gradient.tolist() == np.eye(3).tolist()


def test_other_messages():
    assert message_of(F.dot, np.ones(3), np.ones(4)) == (
        "dot: x and y must be vectors of one size, not of shapes (3,) and (4,)"
    )
    assert message_of(F.tensordot, np.ones(3), np.ones(3), 2) == (
        "tensordot: 2 axes are too many for shapes (3,) and (3,)"
    )
    assert message_of(F.tensordot, np.ones((2, 3)), np.ones((2, 3)), ((0,), (1,))) == (
        "tensordot: axes (0,) of x (shape (2, 3)) and (1,) of y (shape (2, 3)) differ in size"
    )
    assert message_of(F.diagonal, np.ones(3)) == "diagonal: x must have at least two axes, not shape (3,)"


def test_a_diagonal_outside_is_empty():
    assert F.diagonal(np.ones((2, 3)), offset=5).shape == (0,)
    assert F.diagonal(np.ones((2, 3)), offset=-2).shape == (0,)


def test_products_of_integers():
    product = F.matmul([[1, 2]], [[3], [4]])
    assert product.dtype == np.int64
    assert product.tolist() == [[11]]


def test_sizes_of_zero():
    x = tn.Tensor(np.ones((2, 3, 0)), requires_grad=True)
    weight = tn.Tensor(np.ones((0, 4)), requires_grad=True)
    for y in (x @ weight, F.linear(x, weight)):
        assert y.tolist() == np.zeros((2, 3, 4)).tolist()
        y.sum().backward()
        assert x.grad.shape == (2, 3, 0)
        assert weight.grad.shape == (0, 4)


@pytest.mark.parametrize("recorded", [False, True])
def test_a_bias_is_trained_beside_a_frozen_weight(rng, recorded):
    x, weight = tn.Tensor(rng.normal(size=(5, 3))), tn.Tensor(rng.normal(size=(3, 2)))
    bias = tn.Tensor(rng.normal(size=2), requires_grad=True)
    (gbias,) = tn.grad(F.linear(x, weight, bias).sum(), [bias], create_graph=recorded)
    np.testing.assert_array_equal(gbias.numpy(), [5, 5])
