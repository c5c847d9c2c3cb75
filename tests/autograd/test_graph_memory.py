"""What the graph keeps alive, and for how long. The garbage collector is off: only references count."""

import contextlib
import gc
import weakref

import numpy as np
import pytest

import tinynet as tn
from tinynet import Function, Tensor, grad


@pytest.fixture(autouse=True)
def no_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


def of_array(tensor):
    """A weak reference to a tensor's array."""
    return weakref.ref(tensor.data)


class Halves(Function):
    __slots__ = ()

    def forward(self, x):
        middle = len(x) // 2
        return x[:middle].copy(), x[middle:].copy()

    def backward(self, first, second):
        return Joined()(first, second)


class Joined(Function):
    __slots__ = ()

    def forward(self, first, second):
        return np.concatenate([first, second])

    def backward(self, gy):
        return Halves()(gy)


class KeepingScratch(Function):
    """Keeps an array of its own for the backward pass."""

    __slots__ = ()

    def forward(self, x):
        self.kept = x * 2
        return x * x

    def backward(self, gy):
        return gy * Tensor(self.kept)


class TestNoCycles:
    def test_dropping_the_loss_frees_the_graph(self):
        x = leaf(3)
        a = x * 2.0
        b = a * a
        loss = b / (a + x)
        arrays = [of_array(tensor) for tensor in (a, b, loss)]
        nodes = [weakref.ref(tensor.node) for tensor in (a, b, loss)]
        del a, b, loss
        assert not any(reference() is not None for reference in arrays + nodes)

    def test_after_a_recorded_backward_pass(self):
        x = leaf(3)
        a = x * x
        loss = a * a
        first = grad(loss, x, np.ones(3), create_graph=True)
        second = grad(first, x, np.ones(3), create_graph=True)
        watched = [weakref.ref(tensor.node) for tensor in (a, loss, first, second)]
        del a, loss, first, second
        assert not any(reference() is not None for reference in watched)

    def test_recorded_gradients_in_leaves(self):
        x = leaf(3)
        loss = x * x
        loss.backward(np.ones(3), create_graph=True)
        watched = [weakref.ref(loss.node), weakref.ref(x.grad.node)]
        del loss
        x.grad = None
        assert not any(reference() is not None for reference in watched)

    def test_hooks_and_kept_gradients(self):
        x = leaf(3)
        a = x * x
        a.retain_grad()
        seen = []
        remove = a.register_hook(seen.append)
        watched = [of_array(a), weakref.ref(a.node)]
        (a * a).backward(np.ones(3))
        kept = of_array(a.grad)
        del a, remove
        seen.clear()
        assert not any(reference() is not None for reference in [*watched, kept])

    def test_hooks_of_a_leaf(self):
        x = leaf(3)
        remove = x.register_hook(lambda gradient: None)
        reference = weakref.ref(x)
        del x
        assert reference() is None
        remove()  # nothing left to remove it from

    def test_operations_with_several_outputs(self):
        x = leaf(4)
        first, second = Halves()(x * 1.0)
        loss = first * second
        watched = [weakref.ref(loss.node), weakref.ref(first.node.function), of_array(first)]
        del first, second, loss
        assert not any(reference() is not None for reference in watched)

    def test_checkpoints(self):
        x = leaf(3)
        y = tn.checkpoint(lambda x: x * x * x, x)
        watched = [weakref.ref(y.node), of_array(y)]
        y.backward(np.ones(3), retain_graph=True)
        del y
        assert not any(reference() is not None for reference in watched)

    def test_failed_operations(self):
        x = leaf(3)
        a = x * 2.0
        reference = weakref.ref(a.node)
        with contextlib.suppress(tn.errors.ShapeError):
            a + Tensor(np.ones(4))
        del a
        assert reference() is None

    def test_nothing_is_left_to_the_collector(self):
        gc.collect()
        for _ in range(3):
            x = leaf(4)
            a, b = Halves()(x * x)
            y = tn.checkpoint(lambda a, b: a * b + a, a, b)
            first = grad(y, x, np.ones(2), create_graph=True)
            (first * first).backward(np.ones(4))
            del x, a, b, y, first
        assert gc.collect() == 0


class TestOnlyWhatIsNeeded:
    def test_a_sum_keeps_no_operand(self):
        x = leaf(3)
        a, b = x * 2.0, x * 3.0
        watched = [of_array(a), of_array(b)]
        y = a + b
        del a, b
        assert [reference() for reference in watched] == [None, None]
        y.backward(np.ones(3))
        np.testing.assert_array_equal(x.grad.data, [5, 5, 5])

    def test_a_product_keeps_what_the_other_factor_needs(self):
        x = leaf(3)
        a, constant = x * 2.0, Tensor(np.full(3, 3.0)) * 1.0
        kept, not_kept = of_array(constant), of_array(a)
        y = a * constant
        del a, constant
        assert not_kept() is None, "the gradient of the constant is not wanted, so nobody reads `a`"
        assert kept() is not None
        y.backward(np.ones(3))
        np.testing.assert_array_equal(x.grad.data, [6, 6, 6])

    def test_without_recording_nothing_is_kept(self):
        x = leaf(3)
        with tn.no_grad():
            a = x * 2.0
            reference = of_array(a)
            y = KeepingScratch()(a * a)
            del a
        assert reference() is None
        assert y.node is None

    def test_constants_record_nothing(self):
        y = Tensor(np.ones(3)) * Tensor(np.ones(3))
        assert y.node is None
        assert not y.requires_grad

    def test_an_output_is_kept_only_by_who_reads_it(self):
        x = leaf(3)
        a = -x
        reference = of_array(a)
        y = -a
        del a
        assert reference() is None
        y.backward(np.ones(3))


class Watching(Function):
    """Notes in its backward which of the watched arrays are alive."""

    __slots__ = ("alive", "watched")

    def __init__(self, watched, alive):
        self.watched = watched
        self.alive = alive

    def forward(self, x):
        return x * 1.0

    def backward(self, gy):
        return gy

    def backward_arrays(self, gy):
        self.alive.extend(reference() is not None for reference in self.watched)
        return gy


class TestFreedDuringBackward:
    @pytest.mark.parametrize("retain_graph", [False, True])
    def test_saved_arrays_go_as_soon_as_they_are_used(self, retain_graph):
        watched, alive = [], []
        x = Watching(watched, alive)(leaf(3))
        a = x * 2.0
        b = KeepingScratch()(a)
        c = b * b
        watched += [of_array(a), of_array(b), weakref.ref(b.node.kept)]
        del x, a, b
        assert watched[1]() is not None
        c.backward(np.ones(3), retain_graph=retain_graph)
        assert alive == [False, retain_graph, retain_graph]
        del c
        assert not any(reference() is not None for reference in watched)

    def test_gradients_go_as_soon_as_they_are_used(self):
        watched, alive = [], []
        a = Watching(watched, alive)(leaf(3))
        b = a * 2.0
        c = b * 3.0
        c.register_hook(lambda gradient: watched.append(weakref.ref(gradient.data)))
        b.register_hook(lambda gradient: watched.append(weakref.ref(gradient.data)))
        (c * 4.0).backward(np.ones(3))
        assert alive == [False, False]

    def test_an_operation_can_drop_its_gradient_before_it_is_done(self):
        watched, alive = [], []

        class Dropping(Function):
            __slots__ = ()

            def forward(self, x):
                return x * 1.0

            def backward(self, gy):
                return gy

            def backward_arrays(self, gy):
                watched.append(weakref.ref(gy))
                gy = gy * 1.0
                alive.append(watched[0]() is not None)
                return gy

        (Dropping()(leaf(3)) * 2.0).backward(np.ones(3))
        assert alive == [False]

    @pytest.mark.parametrize("retain_graph", [False, True])
    def test_an_operation_can_let_go_of_its_output(self, retain_graph):
        alive = []

        class Taking(Function):
            __slots__ = ()
            reads_output = True

            def forward(self, x):
                return np.exp(x)

            def backward(self, gy):
                return gy * self.output

            def backward_arrays(self, gy):
                reference = weakref.ref(self.output_data)
                gx = gy * self.take_output_data()
                alive.append(reference() is not None)
                return gx

        x = leaf(3)
        y = Taking()(x) * 1.0
        y.backward(np.ones(3), retain_graph=retain_graph)
        assert alive == [retain_graph]
        if retain_graph:
            y.backward(np.ones(3))
            assert alive == [True, False]
            np.testing.assert_allclose(x.grad.data, 2 * np.exp(x.data))
        else:
            with pytest.raises(tn.errors.GraphError, match="retain_graph=True"):
                y.backward(np.ones(3))

    def test_the_graph_is_released_although_the_output_lives(self):
        x = leaf(3)
        a = x * 2.0
        reference = of_array(a)
        y = a * a
        del a
        y.backward(np.ones(3))
        assert reference() is None
        assert y.data is not None
