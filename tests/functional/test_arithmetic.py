"""Arithmetic beyond the operation table: dtypes, numbers, NumPy operands, special points, messages."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ShapeError


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_python_number_takes_the_dtype_of_the_tensor(dtype):
    x = tn.Tensor(np.ones(3, dtype))
    for y in (x + 1, 1 - x, x * 2.5, 2.5 / x, x**2, x**0.5, x // 2.0, x % 2, x * np.float64(2)):
        assert y.dtype == dtype


def test_mixed_dtypes():
    single, double = tn.Tensor(np.ones(2, np.float32)), tn.Tensor(np.ones(2))
    integer, truth = tn.tensor([1, 2]), tn.tensor([True, False])
    assert (single + double).dtype == np.float64
    assert (single + integer).dtype == np.float32
    assert (truth * single).dtype == np.float32
    assert (integer + 1).dtype == np.int64
    assert (integer + 1.5).dtype == np.float32
    assert (integer / integer).dtype == np.float32
    assert (truth + 1).tolist() == [2, 1]
    assert (truth + 1).dtype == np.int64


def test_gradients_keep_the_dtype_of_each_operand():
    x = tn.Tensor(np.ones(2, np.float32), requires_grad=True)
    y = tn.Tensor(np.ones(2), requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_neither_operand_needs_to_be_a_tensor():
    assert F.add(1.0, np.arange(3.0)).tolist() == [1, 2, 3]
    assert F.subtract([1.0, 2.0], 1).tolist() == [0, 1]
    assert F.multiply(2.0, 3.0).item() == 6


def test_the_axis_that_does_not_broadcast_is_named():
    with pytest.raises(ShapeError) as caught:
        F.multiply(np.ones((2, 3, 4)), np.ones((3, 5)))
    assert str(caught.value) == (
        "multiply: shapes (2, 3, 4) and (3, 5) do not broadcast: axis −1 has 4 against 5 elements"
    )


def slopes(base, exponent):
    """The gradients of base ** exponent."""
    x, y = tn.Tensor(np.float64(base), True), tn.Tensor(np.float64(exponent), True)
    return [gradient.item() for gradient in tn.grad(x**y, (x, y))]


def test_power_at_zero_and_below():
    assert slopes(0, 0) == [0, 0]
    assert slopes(0, 1) == [1, 0]
    assert slopes(0, 2) == [0, 0]
    assert slopes(3, 0) == [0, np.log(3)]
    by_base, by_exponent = slopes(-2, 3)
    assert by_base == 12
    assert np.isnan(by_exponent)


@pytest.mark.parametrize("exponent", [0, 0.0, 1, 2, 3])
def test_constant_powers_at_zero(exponent):
    x = tn.Tensor(np.zeros(1), requires_grad=True)
    (first,) = tn.grad(x**exponent, x, create_graph=True)
    assert first.item() == (1 if exponent == 1 else 0)
    if first.requires_grad:
        second = tn.grad(first, x, allow_unused=True)
        assert (0 if second is None else second.item()) == (2 if exponent == 2 else 0)


def test_powers_of_integers():
    x = tn.tensor([1, 2, 3])
    assert (x**2).tolist() == [1, 4, 9]
    assert (x**2).dtype == np.int64
    assert (x**-1).dtype == np.float32
    assert (2**x).tolist() == [2, 4, 8]


def test_cast_and_its_gradient():
    x = tn.Tensor(np.float32([1.5, 2.5]), requires_grad=True)
    y = x.astype(np.float64)
    assert y.dtype == np.float64
    (y * y).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [3, 5]
    assert F.cast(x, np.float32) is x
    assert not F.cast(x, int).requires_grad


def test_clone_has_memory_of_its_own():
    x = tn.tensor([1.0, 2.0], requires_grad=True)
    y = x.clone()
    assert not np.shares_memory(x.data, y.data)
    y.sum().backward()
    assert x.grad.tolist() == [1, 1]
