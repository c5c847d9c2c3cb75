"""Changes in place to what backward still needs are errors; other changes are nobody's business."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import Function, Tensor, no_grad
from tinynet.autograd import versions
from tinynet.errors import GraphError, ShapeError


class Exponential(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return np.exp(x)

    def backward(self, gy):
        return gy * self.output

    def backward_arrays(self, gy):
        return gy * self.output_data


def leaf(*numbers):
    return Tensor(np.array(numbers, np.float64), requires_grad=True)


def change_by_setitem(tensor):
    tensor[0] = 5.0


def change_by_setitem_everywhere(tensor):
    tensor[...] = Tensor(np.full(tensor.shape, 5.0))


def change_by_copy(tensor):
    tensor.copy_(np.full(tensor.shape, 5.0))


def change_through_a_detached_tensor(tensor):
    tensor.detach()[1:] = 5.0


def change_through_a_view(tensor):
    Tensor(tensor.data[::-1][:1])[0] = 5.0


def change_as_an_optimiser(tensor):
    tensor.data -= 0.1
    versions.mark_changed(tensor.data)


def change_as_an_optimiser_through_the_flat_buffer(tensor):
    flat = tensor.data.base if tensor.data.base is not None else tensor.data
    flat -= 0.1
    versions.mark_changed(flat)


CHANGES = pytest.mark.parametrize(
    "change",
    [
        change_by_setitem,
        change_by_setitem_everywhere,
        change_by_copy,
        change_through_a_detached_tensor,
        change_through_a_view,
        change_as_an_optimiser,
        change_as_an_optimiser_through_the_flat_buffer,
    ],
    ids=lambda change: change.__name__,
)


@CHANGES
def test_changing_an_input_that_backward_reads(change):
    x = leaf(1.0, 2.0)
    y = x * x
    with no_grad():
        change(x)
    with pytest.raises(
        GraphError, match=r"multiply: input 0 \(shape \(2,\)\) was changed in place after it was used"
    ):
        y.backward(np.ones(2))
    assert x.grad is None


@CHANGES
def test_changing_an_output_that_backward_reads(change):
    x = leaf(1.0, 2.0)
    y = Exponential()(x)
    with no_grad():
        change(y)
    with pytest.raises(GraphError, match=r"exponential: the output .* was changed in place"):
        y.backward(np.ones(2))


@CHANGES
def test_the_recorded_backward_pass_sees_it_as_well(change):
    x = leaf(1.0, 2.0)
    y = x * x
    with no_grad():
        change(x)
    with pytest.raises(GraphError, match="changed in place"):
        tn.grad(y, x, np.ones(2), create_graph=True)


@CHANGES
def test_changes_before_the_use_do_no_harm(change):
    x = leaf(1.0, 2.0)
    with no_grad():
        change(x)
    (x * x).backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, 2 * x.data)


@CHANGES
def test_changing_what_backward_does_not_read(change):
    x = leaf(1.0, 2.0)
    y = x + x
    with no_grad():
        change(x)
        change(y)
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [2, 2])


@CHANGES
def test_changes_after_backward(change):
    x = leaf(1.0, 2.0)
    for _ in range(3):
        x.grad = None
        (x * x).backward(np.ones(2))
        np.testing.assert_array_equal(x.grad.data, 2 * x.data)
        with no_grad():
            change(x)


def test_parameters_in_one_buffer():
    flat = np.arange(4.0)
    x, y = Tensor(flat[:2], requires_grad=True), Tensor(flat[2:], requires_grad=True)
    product = x * y
    versions.mark_changed(flat)
    with pytest.raises(GraphError, match="changed in place"):
        product.backward(np.ones(2))


def test_a_reused_address_raises_no_false_alarm():
    # Arrays are changed, dropped, and others take their place in memory.
    for size in range(1, 200):
        changed = Tensor(np.zeros(64))
        changed[0] = 1.0
        del changed
        x = Tensor(np.full(64, float(size)), requires_grad=True)
        (x * x).backward(np.ones(64))
        assert x.grad.data[0] == 2 * size


def test_a_memory_map_is_followed_to_its_owner(tmp_path):
    mapped = np.memmap(tmp_path / "numbers", np.float64, "w+", shape=(4,))
    x = tn.as_tensor(mapped).requires_grad_()
    assert type(x.data) is np.ndarray
    y = x * x
    tn.as_tensor(mapped[1:])[0] = 3.0
    with pytest.raises(GraphError, match="changed in place"):
        y.backward(np.ones(4))
    del mapped


class TestWritingIsNotRecorded:
    @pytest.mark.parametrize("change", [change_by_setitem, change_by_copy], ids=lambda f: f.__name__)
    def test_into_a_tensor_that_requires_a_gradient(self, change):
        x = leaf(1.0, 2.0)
        with pytest.raises(GraphError, match=r"changing a tensor in place is not recorded.*no_grad"):
            change(x)
        with pytest.raises(GraphError, match="not recorded"):
            change(x * 2.0)

    def test_with_a_value_that_requires_a_gradient(self):
        target = Tensor(np.zeros(2))
        with pytest.raises(GraphError, match="use where or scatter_add"):
            target[0] = leaf(1.0)
        with pytest.raises(GraphError, match="copy_"):
            target.copy_(leaf(1.0, 2.0))
        np.testing.assert_array_equal(target.data, [0, 0])

    def test_copying_the_wrong_shape(self):
        with pytest.raises(ShapeError, match=r"source has shape \(3,\) but the tensor has shape \(2,\)"):
            Tensor(np.zeros(2)).copy_(np.zeros(3))

    def test_what_is_written(self):
        x = Tensor(np.zeros((2, 3), np.float32))
        x[0] = [1, 2, 3]
        x[:, Tensor(np.array([0, 2]))] = Tensor(np.array(7))
        np.testing.assert_array_equal(x.data, [[7, 2, 7], [7, 0, 7]])
        assert x.copy_(np.ones((2, 3))) is x
        assert x.dtype == np.float32
