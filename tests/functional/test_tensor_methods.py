"""Operators and methods of tensors, and how they meet NumPy."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import DTypeError, ShapeError


@pytest.fixture
def x():
    return tn.Tensor(np.float32([[1, 2], [3, 4]]), requires_grad=True)


def test_operators_with_numbers_on_either_side(x):
    array = x.numpy()
    for found, expected in (
        (2 - x, 2 - array),
        (2 / x, 2 / array),
        (2**x, 2**array),
        (7 % x, 7 % array),
        (7 // x, 7 // array),
        (+x, array),
        (-x, -array),
        (abs(-x), array),
        (x @ x, array @ array),
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_arrays_on_the_left(x):
    array = np.float32([[1, 2], [3, 4]])
    for result in (array + x, array * x, array - x, array / x, array @ x, array**x, np.float32(2) * x):
        assert isinstance(result, tn.Tensor)
        assert result.requires_grad
    assert isinstance(array < x, tn.Tensor)
    assert (array == x).all()


def test_functions_of_numpy_give_tensors(x):
    for ufunc in (
        np.exp,
        np.log,
        np.sqrt,
        np.abs,
        np.sin,
        np.tanh,
        np.square,
        np.negative,
        np.floor,
        np.rint,
    ):
        result = ufunc(x)
        assert isinstance(result, tn.Tensor)
        np.testing.assert_allclose(result.numpy(), ufunc(x.numpy()), rtol=1e-6)
    assert np.maximum(x, 2).tolist() == [[2, 2], [3, 4]]
    assert np.isfinite(x).all()


def test_functions_of_numpy_without_a_twin(x):
    with pytest.raises(DTypeError, match=r"^numpy\.spacing: not defined for tensors; use \.numpy\(\)"):
        np.spacing(x)
    with pytest.raises(DTypeError, match=r"^numpy\.add\.reduce: not defined for tensors"):
        np.add.reduce(x)
    with pytest.raises(DTypeError, match=r"^numpy\.exp: tensors do not support the arguments out$"):
        np.exp(x, out=np.empty((2, 2), np.float32))


def test_comparison_is_elementwise_and_hashing_by_identity(x):
    assert (x == x.detach()).tolist() == [[True, True], [True, True]]
    assert (x != 1).tolist() == [[False, True], [True, True]]
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "one") is False
    assert len({x, x, x.detach()}) == 2


def test_truth_values_combine():
    a, b = tn.tensor([True, True, False]), tn.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~b).tolist() == [False, True, True]
    assert (tn.tensor([6]) & 3).tolist() == [2]
    assert (tn.tensor([6]) | 3).tolist() == [7]
    for combine in (lambda: tn.tensor([1.0]) & 1, lambda: ~tn.tensor([1.0])):
        with pytest.raises(DTypeError, match="expected truth values or integers, not float32"):
            combine()


def test_in_is_refused(x):
    with pytest.raises(
        DTypeError, match=r"^in: not defined for tensors; write \(tensor == value\)\.any\(\)$"
    ):
        _ = 1 in x


def test_a_number_cannot_be_iterated_over():
    with pytest.raises(ShapeError, match=r"^iter: a tensor without axes cannot be iterated over$"):
        list(tn.tensor(1.0))


def test_augmented_assignment_makes_a_new_tensor(x):
    y = x
    y += 1
    assert y is not x
    assert x.tolist() == [[1, 2], [3, 4]]


def test_conversions(x):
    assert x.float() is x
    assert x.double().dtype == np.float64
    assert x.to(np.float64).dtype == x.to("float64").dtype == x.to(dtype=np.float64).dtype == np.float64
    assert x.to("cpu") is x
    assert x.cpu() is x
    x.double().sum().backward()
    assert x.grad.dtype == np.float32


METHODS = (
    *("all", "any", "argmax", "argmin", "sum", "mean", "max", "min", "var", "std", "prod", "norm", "cumsum"),
    *("abs", "exp", "log", "sqrt", "square", "sign", "floor", "ceil", "round", "sin", "cos", "logsumexp"),
    *("relu", "sigmoid", "tanh", "softmax", "log_softmax"),
    *("flatten", "flip", "squeeze", "transpose", "clone", "sort", "argsort", "unbind", "diagonal"),
)


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions_of_the_same_name(name, x):
    method = getattr(tn.Tensor, name)
    function = getattr(tn.functional, name)
    assert method is function
    assert method.__doc__


def test_every_operator_and_method_says_what_it_does():
    attached = [name for name in vars(tn.Tensor) if callable(getattr(tn.Tensor, name))]
    public = [name for name in attached if not name.startswith("_")]
    assert not [name for name in public if not getattr(tn.Tensor, name).__doc__]


def test_methods_with_arguments(x):
    assert x.reshape(4).shape == x.view(4).shape == (4,)
    assert x.sum(axis=0).tolist() == [4, 6]
    assert x.max(-1, keepdims=True).tolist() == [[2], [4]]
    assert x.unsqueeze(0).shape == x.expand_dims(0).shape == (1, 2, 2)
    assert x.clip(2, 3).tolist() == [[2, 2], [3, 3]]
    assert x.masked_fill(x > 2, 0).tolist() == [[1, 2], [0, 0]]
    assert x.topk(1)[0].tolist() == [[2], [4]]
    assert [part.tolist() for part in x.chunk(2)] == [[[1, 2]], [[3, 4]]]
    assert x.permute(1, 0).tolist() == x.T.tolist() == [[1, 3], [2, 4]]
