"""What a tensor is, how it is made, read from outside, copied and stored."""

import copy
import pickle

import numpy as np
import pytest

import tinynet as tn
from tinynet import Tensor, as_tensor, from_dlpack, tensor
from tinynet.errors import ArgumentError, DTypeError, GraphError, ShapeError


class TestMaking:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            ([1.0, 2.0], np.float32),
            ([[1, 2.5]], np.float32),
            (1.5, np.float32),
            ([1, 2], np.int64),
            (3, np.int64),
            (True, np.bool_),
            ([True, False], np.bool_),
            (np.ones(2), np.float64),
            (np.float64(1.0), np.float64),
            (np.float16(1.0), np.float16),
            (np.arange(2, dtype=np.uint8), np.uint8),
            (np.int32(4), np.int32),
            (range(3), np.int64),
        ],
        ids=repr,
    )
    def test_dtypes(self, data, dtype):
        for made in (tensor(data), as_tensor(data)):
            assert made.dtype == dtype
            assert type(made.data) is np.ndarray
            np.testing.assert_array_equal(made.data, data)

    def test_the_default_dtype_is_for_python_floats_only(self):
        tn.set_default_dtype(np.float64)
        assert tensor([1.0]).dtype == np.float64
        assert tensor([1]).dtype == np.int64
        assert tensor(np.ones(2, np.float32)).dtype == np.float32

    def test_a_dtype_that_is_asked_for(self):
        assert tensor([1, 2], dtype=np.float64).dtype == np.float64
        assert as_tensor(np.ones(2), dtype="float32").dtype == np.float32

    def test_tensor_copies_and_as_tensor_does_not(self):
        array = np.ones(3)
        assert not np.shares_memory(tensor(array).data, array)
        assert not np.shares_memory(tensor(array[:2]).data, array)
        assert not np.shares_memory(tensor(memoryview(array)).data, array)
        assert np.shares_memory(as_tensor(array).data, array)
        made = tensor(array)
        assert as_tensor(made) is made
        assert not np.shares_memory(tensor(made).data, made.data)

    def test_as_tensor_converts_only_what_needs_no_gradient(self):
        made = as_tensor(Tensor(np.ones(2)), dtype=np.float32)
        assert made.dtype == np.float32
        with pytest.raises(ArgumentError, match=r"use \.to\(\.\.\.\) to convert"):
            as_tensor(Tensor(np.ones(2), requires_grad=True), dtype=np.float32)

    def test_lists_of_tensors(self):
        np.testing.assert_array_equal(tensor([tensor(1.0), tensor(2.0)]).data, [1.0, 2.0])

    @pytest.mark.parametrize("data", ["text", ["a"], None, [1j], np.array(["a"]), np.array([1j]), object()])
    def test_data_that_is_not_numeric(self, data):
        with pytest.raises(DTypeError, match=r"tensor: data of dtype .* is not numeric"):
            tensor(data)

    def test_subclasses_of_arrays_become_arrays(self):
        class Tagged(np.ndarray):
            pass

        array = np.ones(2).view(Tagged)
        for made in (tensor(array), as_tensor(array), Tensor(array)):
            assert type(made.data) is np.ndarray
            np.testing.assert_array_equal(made.data, [1.0, 1.0])
        assert np.shares_memory(as_tensor(array).data, array)

    def test_only_floating_point_tensors_require_gradients(self):
        assert tensor([1.0], requires_grad=True).requires_grad
        for data in ([1, 2], [True]):
            with pytest.raises(DTypeError, match="only floating-point tensors can require a gradient, not"):
                tensor(data, requires_grad=True)
            with pytest.raises(DTypeError, match="only floating-point"):
                tensor(data).requires_grad_()

    def test_requires_grad_can_be_switched_for_leaves(self):
        x = tensor([1.0])
        assert x.requires_grad_() is x
        y = x * 2.0
        assert not x.requires_grad_(False).requires_grad
        with pytest.raises(GraphError, match="only a leaf can be changed, and multiply made this tensor"):
            y.requires_grad_(False)


class TestReading:
    def test_shape_and_size(self):
        x = tensor(np.zeros((2, 3)))
        assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)
        assert x.device == "cpu"
        assert x.is_leaf
        assert not (tensor([1.0], requires_grad=True) * 2.0).is_leaf

    def test_python_numbers(self):
        assert tensor([2.5]).item() == 2.5
        assert float(tensor(2.5)) == 2.5
        assert int(tensor([[7]])) == 7
        assert [10, 20, 30][tensor(1)] == 20
        assert tensor([[1, 2]]).tolist() == [[1, 2]]
        assert bool(tensor(1.0)) is True
        assert bool(tensor([False])) is False
        assert f"{tensor(1.25):.1f} {tensor(1.5)}" == "1.2 tensor(1.5)"

    def test_what_has_no_single_value(self):
        for convert in (float, int, bool, Tensor.item):
            with pytest.raises(ShapeError, match=r"expected a tensor of one element, not of shape \(2,\)"):
                convert(tensor([1.0, 2.0]))
            with pytest.raises(ShapeError, match=r"not of shape \(0,\)"):
                convert(tensor(np.empty(0)))
        with pytest.raises(DTypeError, match="only an integer tensor can be used as an index, not float32"):
            [1, 2][tensor(1.0)]
        with pytest.raises(ShapeError, match="a tensor without axes has no length"):
            len(tensor(1.0))

    def test_iteration_ends(self):
        x = tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
        rows = list(x)
        assert [row.tolist() for row in rows] == [[0, 1], [2, 3], [4, 5]]
        (rows[0] * rows[2]).backward(np.ones(2))
        np.testing.assert_array_equal(x.grad.data, [[4, 5], [0, 0], [0, 1]])
        with pytest.raises(ShapeError, match="a tensor without axes cannot be iterated over"):
            list(tensor(1.0))

    def test_as_array(self):
        x = tensor([1.0, 2.0], requires_grad=True)
        assert np.shares_memory(np.asarray(x), x.data)
        assert not np.shares_memory(np.array(x), x.data)
        assert np.asarray(x, dtype=np.float64).dtype == np.float64
        assert x.numpy() is x.data
        with pytest.raises(ValueError, match="copy"):
            np.array(x, dtype=np.float64, copy=False)
        np.testing.assert_array_equal(np.exp(x), np.exp(x.data))

    @pytest.mark.parametrize(
        "other", [np.ones(2), np.float64(1.0), np.ones((3, 2)), 1.0, 1, True, [1.0, 1.0]], ids=repr
    )
    def test_arrays_on_the_left_stay_in_the_graph(self, other):
        x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
        for result in (other + x, other * x, other - x, other / x):
            assert isinstance(result, Tensor)
            assert result.requires_grad
            assert result.dtype == np.float64

    def test_tensors_are_hashable_by_identity(self):
        x, y = tensor([1.0]), tensor([1.0])
        assert len({x, y, x}) == 2
        assert {x: 1}[x] == 1


class TestRepr:
    @pytest.mark.parametrize(
        ("made", "text"),
        [
            (lambda: tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
            (lambda: tensor(3), "tensor(3)"),
            (lambda: tensor(np.ones(2)), "tensor([1., 1.], dtype=float64)"),
            (lambda: tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
            (lambda: tensor([1.0], requires_grad=True) * 2.0, "tensor([2.], made by multiply)"),
            (lambda: tensor(np.empty((0, 3), np.float32)), "tensor([], shape=(0, 3))"),
            (lambda: tensor([[1], [2]]), "tensor([[1],\n        [2]])"),
        ],
    )
    def test_small_tensors(self, made, text):
        assert repr(made()) == text
        assert str(made()) == text

    def test_large_tensors_are_shortened_and_show_their_shape(self):
        text = repr(tensor(np.zeros((100, 200), np.float32)))
        assert "shape=(100, 200)" in text
        assert len(text) < 1000


class TestDlpack:
    def test_numpy_shares_memory_both_ways(self):
        array = np.arange(6.0).reshape(2, 3)
        x = from_dlpack(array)
        assert np.shares_memory(x.data, array)
        back = np.from_dlpack(tensor(array))
        np.testing.assert_array_equal(back, array)
        x[0, 0] = 9.0
        assert array[0, 0] == 9.0

    def test_torch_shares_memory_both_ways(self):
        torch = pytest.importorskip("torch", reason="exchanging arrays with PyTorch needs torch")
        source = torch.arange(6.0).reshape(2, 3)
        x = from_dlpack(source)
        x[1, 2] = 50.0
        assert source[1, 2] == 50
        there = torch.from_dlpack(tensor([[1.0, 2.0]]))
        assert there.dtype == torch.float32
        assert there.tolist() == [[1, 2]]

    def test_a_tensor_in_a_graph_is_not_exported(self):
        with pytest.raises(GraphError, match=r"use detach\(\)"):
            np.from_dlpack(tensor([1.0], requires_grad=True))


class TestCopies:
    def test_detach_shares_the_data_only(self):
        x = tensor([1.0], requires_grad=True)
        y = (x * 2.0).detach()
        assert y.is_leaf
        assert not y.requires_grad
        assert np.shares_memory(x.detach().data, x.data)

    def test_deepcopy(self):
        x = tensor([1.0, 2.0], requires_grad=True)
        (x * x).backward(np.ones(2, np.float32))
        both = copy.deepcopy([x, x])
        twin = both[0]
        assert both[1] is twin
        assert twin.requires_grad
        np.testing.assert_array_equal(twin.data, x.data)
        np.testing.assert_array_equal(twin.grad.data, x.grad.data)
        assert not np.shares_memory(twin.data, x.data)
        assert not np.shares_memory(twin.grad.data, x.grad.data)

    def test_pickle(self):
        x = tensor([1.0, 2.0], requires_grad=True)
        twin = pickle.loads(pickle.dumps(x))
        assert twin.requires_grad
        assert twin.dtype == np.float32
        np.testing.assert_array_equal(twin.data, x.data)

    def test_parts_of_a_graph_are_not_copied(self):
        y = tensor([1.0], requires_grad=True) * 2.0
        with pytest.raises(GraphError, match="deepcopy: only leaf tensors can be copied; multiply made this"):
            copy.deepcopy(y)
        with pytest.raises(GraphError, match="pickle: only leaf tensors can be stored; multiply made this"):
            pickle.dumps(y)
