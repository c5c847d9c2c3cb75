"""The backward pass: what it computes, adds up, leaves alone and refuses; `tn.grad` is in test_grad.py."""

import threading

import numpy as np
import pytest

import tinynet as tn
from tinynet import Function, Tensor, grad, no_grad
from tinynet.errors import ArgumentError, GraphError, ShapeError


class Halves(Function):
    """Two outputs: the first and the second half of the first axis."""

    __slots__ = ("sizes",)

    def forward(self, x):
        middle = len(x) // 2
        self.sizes = middle, len(x) - middle
        return x[:middle], x[middle:]

    def backward(self, first, second):
        assert (len(first.data), len(second.data)) == self.sizes
        return Joined()(first, second)


class Joined(Function):
    __slots__ = ("middle",)

    def forward(self, first, second):
        self.middle = len(first)
        return np.concatenate([first, second])

    def backward(self, gy):
        return Halves()(gy)


class WithIndex(Function):
    """Two outputs, of which the second holds integers."""

    __slots__ = ()

    def forward(self, x):
        return x * 2, np.arange(len(x))

    def backward(self, gy, unused):
        assert unused.dtype == np.int64
        return gy * 2.0


class NoGradient(Function):
    """An operation whose gradient is zero everywhere."""

    __slots__ = ()

    def forward(self, x):
        return np.sign(x)

    def backward(self, gy):
        return None


def leaf(*numbers):
    return Tensor(np.array(numbers, np.float64), requires_grad=True)


def test_gradients_of_a_small_expression():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * y + x / y).backward([1.0, 10.0])
    np.testing.assert_allclose(x.grad.data, [3 + 1 / 3, 10 * (4 + 1 / 4)], rtol=1e-15)
    np.testing.assert_allclose(y.grad.data, [1 - 1 / 9, 10 * (2 - 2 / 16)], rtol=1e-15)


def test_a_tensor_used_many_times_gets_the_sum():
    x = leaf(3.0)
    y = x * x * x + x + x * 2.0
    y.backward()
    assert x.grad.item() == 3 * 9 + 1 + 2


def test_a_diamond_waits_for_all_its_paths():
    x = leaf(2.0)
    a = x * x
    b = a * 3.0
    c = a * b
    (c + a * c).backward()  # 3 a² + 3 a³, a = x²
    assert x.grad.item() == 3 * 4 * 2**3 + 3 * 6 * 2**5


def test_backward_adds_to_earlier_gradients():
    x = leaf(1.0, 2.0)
    for times in (1, 2, 3):
        (x * 2.0).backward(np.ones(2))
        np.testing.assert_array_equal(x.grad.data, [2.0 * times] * 2)


def test_gradients_of_different_tensors_share_no_memory(rng):
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = Tensor(np.ones(2))
    (x + y).backward(seed)
    assert not np.shares_memory(x.grad.data, y.grad.data)
    assert not np.shares_memory(x.grad.data, seed.data)
    x.grad.data += 1
    np.testing.assert_array_equal(y.grad.data, [1.0, 1.0])
    np.testing.assert_array_equal(seed.data, [1.0, 1.0])


def test_recorded_gradients_share_no_memory_that_later_passes_write_to():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).backward(np.ones(2), create_graph=True)
    (x * 5.0).backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [6.0, 6.0])
    np.testing.assert_array_equal(y.grad.data, [1.0, 1.0])


def test_adding_to_a_recorded_gradient_leaves_the_recorded_one_whole():
    x = leaf(3.0)
    (x * x).backward(create_graph=True)
    recorded = x.grad
    (x * 10.0).backward()
    assert x.grad.item() == 16.0
    assert recorded.item() == 6.0
    assert grad(recorded, x).item() == 2.0


def test_recorded_gradients_add_up():
    x = leaf(3.0)
    (x * x).backward(create_graph=True)
    (x * x * x).backward(create_graph=True)
    assert x.grad.item() == 6.0 + 27.0
    total, x.grad = x.grad, None
    total.backward()
    assert x.grad.item() == 2.0 + 18.0


def test_a_shared_gradient_is_not_changed_for_others():
    # c = a + b hands the same array to a and b; the further parts of a's gradient must not reach b.
    x, y = leaf(1.0), leaf(1.0)
    a, b = x * 1.0, y * 1.0
    ((a + b) + a * 5.0 + a * 7.0).backward()
    assert (x.grad.item(), y.grad.item()) == (13.0, 1.0)


def test_float32_and_float64_meet():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = leaf(1.0, 2.0, 3.0)
    (x * y).backward(np.ones(3, np.float32))
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(x.grad.data, [1, 2, 3])


def test_the_gradient_given_takes_the_dtype_of_the_output():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    for given in (np.ones(3), Tensor(np.ones(3)), [1, 1, 1], Tensor(np.ones(3, np.int64))):
        assert grad(x * 2.0, x, given).dtype == np.float32
    seen = []
    y = x * 2.0
    y.register_hook(lambda gradient: seen.append(gradient.dtype))
    y.backward(Tensor(np.ones(3)))
    assert seen == [np.float32]


def test_the_backward_of_a_leaf_itself():
    x = leaf(1.0, 2.0)
    x.backward([3.0, 4.0])
    np.testing.assert_array_equal(x.grad.data, [3.0, 4.0])


def test_an_operation_may_have_no_gradient():
    x = leaf(3.0, -4.0)
    (NoGradient()(x) + x).backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [1.0, 1.0])
    with pytest.raises(GraphError, match="do not depend on input 0"):
        grad(NoGradient()(x), x, np.ones(2))


class TestRefusals:
    def test_no_gradient_wanted(self):
        with pytest.raises(GraphError, match=r"backward: the output \(shape \(2,\)\) does not depend on"):
            Tensor(np.ones(2)).backward(np.ones(2))
        with no_grad():
            y = leaf(1.0) * 2.0
        with pytest.raises(GraphError, match="or was computed inside no_grad"):
            y.backward()

    def test_a_gradient_is_needed_for_more_than_one_element(self):
        with pytest.raises(ShapeError, match=r"a gradient must be given for an output of shape \(2,\)"):
            (leaf(1.0, 2.0) * 2.0).backward()
        x = leaf(2.0)
        (x * 2.0).backward()  # one element, though with an axis
        assert x.grad.shape == (1,)

    def test_the_gradient_must_have_the_shape_of_the_output(self):
        with pytest.raises(ShapeError, match=r"the gradient has shape \(3,\) but the output has \(2,\)"):
            (leaf(1.0, 2.0) * 2.0).backward(np.ones(3))

    def test_as_many_gradients_as_outputs(self):
        x = leaf(1.0)
        with pytest.raises(ArgumentError, match="grad: 2 outputs but 1 gradients for them"):
            grad([x * 2.0, x * 3.0], x, [np.ones(1)])

    def test_running_twice_needs_retain_graph(self):
        x = leaf(3.0)
        y = x * x
        y.backward()
        with pytest.raises(GraphError, match="multiply: what the backward pass needs was freed"):
            y.backward()
        with pytest.raises(GraphError, match="retain_graph=True"):
            grad(y, x)
        with pytest.raises(GraphError, match="retain_graph=True"):
            grad(y, x, allow_unused=True)
        assert x.grad.item() == 6.0

    def test_running_into_a_freed_part_hands_out_nothing(self):
        x, w = leaf(3.0), leaf(1.0)
        trunk = x * x
        (trunk * 2.0).backward()
        x.grad = None
        with pytest.raises(GraphError, match="retain_graph=True"):
            (trunk * w).backward()
        assert x.grad is None
        assert w.grad is None


class TestRetainGraph:
    def test_backward_twice(self):
        x = leaf(3.0)
        y = x * x
        y.backward(retain_graph=True)
        y.backward()
        assert x.grad.item() == 12.0

    def test_create_graph_retains_by_itself(self):
        x = leaf(3.0)
        y = x * x
        first = grad(y, x, create_graph=True)
        y.backward()
        assert (first.item(), x.grad.item()) == (6.0, 6.0)

    def test_grad_frees_by_default(self):
        x = leaf(3.0)
        y = x * x
        grad(y, x)
        with pytest.raises(GraphError, match="freed"):
            grad(y, x)
        y = x * x
        grad(y, x, retain_graph=True)
        assert grad(y, x).item() == 6.0

    def test_create_graph_without_retaining(self):
        x = leaf(3.0)
        y = x * x * 1.0
        first = grad(y, x, create_graph=True, retain_graph=False)
        assert first.item() == 6.0
        with pytest.raises(GraphError, match="freed"):
            grad(y, x)


class TestSeveralOutputs:
    def test_all_of_them_used(self):
        x = leaf(1.0, 2.0, 3.0, 4.0)
        first, second = Halves()(x)
        (first * second).backward(np.ones(2))
        np.testing.assert_array_equal(x.grad.data, [3, 4, 1, 2])

    def test_an_output_that_nobody_used_counts_as_zero(self):
        x = leaf(1.0, 2.0, 3.0, 4.0, 5.0)
        _, second = Halves()(x)
        (second * second).backward(np.ones(3))
        np.testing.assert_array_equal(x.grad.data, [0, 0, 6, 8, 10])

    def test_second_derivatives_with_an_unused_output(self):
        x = leaf(1.0, 2.0, 3.0, 4.0)
        second = Halves()(x)[1]
        (g,) = grad(second * second * second, [x], np.ones(2), create_graph=True)
        np.testing.assert_array_equal(grad(g, x, np.ones(4)).data, [0, 0, 18, 24])

    def test_the_same_output_used_twice(self):
        x = leaf(1.0, 2.0)
        first, second = Halves()(x)
        (first * second + first).backward(np.ones(1))
        np.testing.assert_array_equal(x.grad.data, [3, 1])

    def test_gradients_by_the_outputs_themselves(self):
        first, second = Halves()(leaf(1.0, 2.0, 3.0, 4.0))
        by_first, by_second = grad(first * second, [first, second], np.ones(2))
        np.testing.assert_array_equal(by_first.data, [3, 4])
        np.testing.assert_array_equal(by_second.data, [1, 2])

    def test_integer_outputs_have_no_gradient(self):
        x = leaf(1.0, 2.0)
        double, index = WithIndex()(x)
        assert double.requires_grad
        assert not index.requires_grad
        double.backward(np.ones(2))
        np.testing.assert_array_equal(x.grad.data, [2, 2])

    def test_running_twice_is_refused(self):
        first, second = Halves()(leaf(1.0, 2.0))
        (first + second).backward()
        with pytest.raises(GraphError, match="halves: what the backward pass needs was freed"):
            first.backward()
        assert "made by halves" in repr(first)

    def test_without_recording(self):
        with no_grad():
            outputs = Halves()(leaf(1.0, 2.0))
        assert not any(output.requires_grad for output in outputs)


class TestLongChains:
    LENGTH = 100_000

    def chain(self, x):
        y = x
        for _ in range(self.LENGTH):
            y = y + x
        return y

    def test_backward(self):
        x = leaf(1.0)
        self.chain(x).backward()
        assert x.grad.item() == self.LENGTH + 1

    def test_dropping_the_graph_without_backward(self):
        y = self.chain(leaf(1.0))
        assert y.item() == self.LENGTH + 1
        del y

    def test_dropping_the_recorded_backward_pass(self):
        x = leaf(1.0)
        y = x
        for _ in range(self.LENGTH // 10):
            y = y * 1.0
        first = grad(y, x, create_graph=True)
        assert first.item() == 1.0
        del y, first


def test_two_threads_run_backward_at_the_same_time():
    failures = []

    def work(factor):
        try:
            for _ in range(50):
                x = leaf(float(factor), 1.0)
                y = x
                for _ in range(50):
                    y = y * 1.0 + x * 0.0
                (y * y).backward(np.ones(2))
                np.testing.assert_array_equal(x.grad.data, [2.0 * factor, 2.0])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(factor,)) for factor in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def subclasses(cls):
    for subclass in cls.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def test_no_operation_carries_a_dictionary():
    ours = [cls for cls in subclasses(Function) if cls.__module__.startswith("tinynet.")]
    assert len(ours) > 5
    without_slots = [cls.__qualname__ for cls in ours if "__dict__" in dir(cls)]
    assert not without_slots, f"declare __slots__ in {without_slots}"
    assert "__dict__" not in dir(Tensor)


def test_an_operation_without_backward_says_so():
    class OneWay(Function):
        __slots__ = ()

        def forward(self, x):
            return x * 1.0

    with pytest.raises(GraphError, match="one_way: this operation cannot be differentiated"):
        OneWay()(leaf(1.0)).backward()


def test_broadcast_errors_name_the_axis():
    with pytest.raises(
        tn.errors.ShapeError, match=r"add: shapes \(2, 3\) and \(2, 4\) do not broadcast: axis"
    ):
        Tensor(np.ones((2, 3))) + Tensor(np.ones((2, 4)))


def test_a_wrong_number_of_gradients_is_an_error():
    class OneForTwo(Function):
        __slots__ = ()

        def forward(self, x, y):
            return x + y

        def backward(self, gy):
            return gy

    y = OneForTwo()(leaf(1.0), leaf(2.0))
    with pytest.raises(GraphError, match="one_for_two: backward gave 1 gradients for 2 inputs"):
        y.backward()
