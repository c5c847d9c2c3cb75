"""Gradients that are kept without a copy, and those that must not be, since somebody else holds them."""

import weakref

import numpy as np
import pytest

from tinynet import Tensor, grad
from tinynet import functional as F
from tinynet.autograd import Function, checkpoint
from tinynet.autograd.ownership import IN_VARIABLE, is_alone
from tinynet_kernels import memory

SMALL, LARGE = (3, 4), (128, 256)  # the memory of the large arrays comes from the pool


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def shape(request):
    return request.param


def leaf(shape):
    return Tensor(np.random.default_rng(0).uniform(0.5, 1.5, shape), requires_grad=True)


def ones(shape):
    return np.ones(shape)


class Recorder(Function):
    """x times 2; what its backward gives is found in `given`, which does not keep it alive."""

    __slots__ = ("given",)

    def __init__(self, given):
        self.given = given

    def forward(self, x):
        return x * 2

    def backward_arrays(self, gy):
        gx = gy * 2
        self.given.append(weakref.ref(gx))
        return gx


def test_a_new_array_is_kept_as_the_gradient(shape):
    x, given = leaf(shape), []
    Recorder(given)(x).backward(ones(shape))
    assert x.grad.data is given[0]()
    np.testing.assert_array_equal(x.grad.data, np.full(shape, 2.0))


def test_a_hook_that_only_looks_costs_no_copy(shape):
    x, given = leaf(shape), []
    x.register_hook(lambda gradient: None)
    Recorder(given)(x).backward(ones(shape))
    assert x.grad.data is given[0]()


def test_a_reshaped_new_array_is_kept(shape):
    x, given = leaf(shape), []

    class Flat(Recorder):
        __slots__ = ()

        def backward_arrays(self, gy):
            return super().backward_arrays(gy).ravel().reshape(gy.shape)

    Flat(given)(x).backward(ones(shape))
    assert np.shares_memory(x.grad.data, given[0]())


def test_a_gradient_that_somebody_stored_is_copied(shape):
    stored = []

    class Storing(Recorder):
        __slots__ = ()

        def backward_arrays(self, gy):
            stored.append(super().backward_arrays(gy))
            return stored[-1]

    x = leaf(shape)
    Storing([])(x).backward(ones(shape))
    x.grad.data += 1
    np.testing.assert_array_equal(stored[0], np.full(shape, 2.0))


@pytest.mark.parametrize(
    "view",
    [lambda a: a[:], lambda a: a.reshape(-1), lambda a: a[:1], lambda a: memoryview(a), lambda a: a.T],
    ids=["whole", "reshaped", "part", "memoryview", "transposed"],
)
def test_a_gradient_of_which_somebody_has_a_view_is_copied(view, shape):
    stored = []

    class Viewed(Recorder):
        __slots__ = ()

        def backward_arrays(self, gy):
            gx = super().backward_arrays(gy)
            stored.append(view(gx))
            return gx

    x = leaf(shape)
    Viewed([])(x).backward(ones(shape))
    x.grad.data += 1
    np.testing.assert_array_equal(np.asarray(stored[0]), np.full_like(np.asarray(stored[0]), 2.0))


def test_parts_and_repetitions_of_an_array_are_copied():
    x = leaf((4,))

    class Repeating(Function):
        __slots__ = ("make",)

        def __init__(self, make):
            self.make = make

        def forward(self, x):
            return x + 0

        def backward_arrays(self, gy):
            return self.make()

    makers = {
        "part": lambda: np.ones(8)[:4],
        "every other": lambda: np.ones(8)[::2],
        "repeated": lambda: np.broadcast_to(np.ones(1), (4,)),
        "repeated and as large as its base": lambda: np.lib.stride_tricks.as_strided(np.ones(4), (4,), (0,)),
        "read-only": lambda: np.frombuffer(np.ones(4).tobytes()),
        "reversed": lambda: np.ones(4)[::-1],
        "of another dtype": lambda: np.ones(4, np.float32),
    }
    for name, make in makers.items():
        x.grad = None
        Repeating(make)(x).backward(ones(4))
        found = x.grad.data
        assert found.flags.owndata, name
        assert found.flags.writeable, name
        assert found.dtype == np.float64, name
        found[0] += 1
        np.testing.assert_array_equal(found, [2.0, 1.0, 1.0, 1.0], name)


def test_an_array_given_for_several_inputs_is_kept_for_none_of_them(shape):
    class Both(Function):
        __slots__ = ()

        def forward(self, x, y):
            return x + y

        def backward_arrays(self, gy):
            gx = gy * 2
            return gx, gx

    x, y = leaf(shape), leaf(shape)
    Both()(x, y).backward(ones(shape))
    x.grad.data += 1
    np.testing.assert_array_equal(y.grad.data, np.full(shape, 2.0))
    x.grad = None
    Both()(x, x).backward(ones(shape))
    np.testing.assert_array_equal(x.grad.data, np.full(shape, 4.0))


def test_the_gradient_given_by_the_caller_stays_as_it_is(shape):
    x, y = leaf(shape), leaf(shape)
    for given in (ones(shape), Tensor(ones(shape))):
        for output in (x + y, x + x, x.reshape(-1).reshape(shape), x):
            x.grad = y.grad = None
            output.backward(given)
            x.grad.data += 1
            np.testing.assert_array_equal(given if isinstance(given, np.ndarray) else given.data, ones(shape))


def test_a_sum_of_sums_leaves_every_gradient_whole(shape):
    x, y, z = leaf(shape), leaf(shape), leaf(shape)
    a, b = x * 1.0, y * 1.0
    c = a + b
    ((c + z) + (c + a) + a * 5.0 + c * 7.0).sum().backward()
    for tensor, expected in ((x, 15.0), (y, 9.0), (z, 1.0)):
        np.testing.assert_array_equal(tensor.grad.data, np.full(shape, expected))
    for one, other in ((x, y), (y, z), (x, z)):
        assert not np.shares_memory(one.grad.data, other.grad.data)


def test_hooks_keep_what_they_saw(shape):
    x, seen = leaf(shape), []
    a = x * 1.0
    a.register_hook(lambda gradient: seen.append((gradient, gradient.data.copy())))
    x.register_hook(lambda gradient: seen.append((gradient, gradient.data.copy())))
    (a * 3.0 + a.exp() + a).sum().backward()
    x.grad.data += 1
    for gradient, copy in seen:
        np.testing.assert_array_equal(gradient.data, copy)


def test_a_replacement_that_the_hook_keeps_is_copied(shape):
    x, replacement = leaf(shape), Tensor(ones(shape))
    x.register_hook(lambda gradient: replacement)
    (x * 3.0).sum().backward()
    x.grad.data += 1
    np.testing.assert_array_equal(replacement.data, ones(shape))


def test_retained_gradients_are_not_added_to(shape):
    x = leaf(shape)
    a = (x * 1.0).retain_grad()
    b = (a + 0.0).retain_grad()
    (b * 2.0 + a * 3.0).sum().backward()
    x.grad.data += 1
    np.testing.assert_array_equal(a.grad.data, np.full(shape, 5.0))
    np.testing.assert_array_equal(b.grad.data, np.full(shape, 2.0))


def test_two_passes_through_one_graph_give_twice_the_gradient(shape):
    x = leaf(shape)
    a = x * 2.0
    y = (F.relu(a) + a).exp()
    y.backward(ones(shape), retain_graph=True)
    once, kept = x.grad.data.copy(), x.grad
    y.backward(ones(shape))
    np.testing.assert_array_equal(x.grad.data, 2 * once)
    x.grad = None
    (x * 3.0).sum().backward()
    np.testing.assert_array_equal(kept.data, 2 * once)


def test_changing_a_gradient_changes_neither_data_nor_graph(shape):
    x, y = leaf(shape), leaf(shape)
    product = x * y
    product.sum().backward(retain_graph=True)
    expected = y.data.copy()
    x.grad.data[...] = 0
    np.testing.assert_array_equal(y.data, expected)
    x.grad = None
    product.sum().backward()
    np.testing.assert_array_equal(x.grad.data, expected)


def test_results_of_grad_and_grads_of_leaves_share_nothing(shape):
    x = leaf(shape)
    a = x * 1.0
    y = F.relu(a) + a
    by_a, by_x = grad(y, [a, x], Tensor(ones(shape)), retain_graph=True)
    copies = by_a.data.copy(), by_x.data.copy()
    y.backward(ones(shape))
    x.grad.data += 1
    np.testing.assert_array_equal(by_a.data, copies[0])
    np.testing.assert_array_equal(by_x.data, copies[1])


def test_checkpointed_sections_give_new_arrays_too(shape):
    x = leaf(shape)
    checkpoint(lambda x: F.relu(x) * 2.0 + x, x).backward(ones(shape))
    np.testing.assert_array_equal(x.grad.data, np.full(shape, 3.0))


def test_what_is_no_plain_array_is_never_alone():
    number = np.float64(1.0)
    assert not is_alone(number, IN_VARIABLE)
    matrix = np.ones((2, 2)).view(np.recarray)
    assert not is_alone(matrix, IN_VARIABLE)


def test_an_array_of_the_pool_is_alone_until_it_is_shared():
    array = memory.empty(LARGE)
    assert is_alone(array, IN_VARIABLE)
    other = array[:]
    assert not is_alone(array, IN_VARIABLE)
    assert not is_alone(other, IN_VARIABLE)
    del array
    assert is_alone(other, IN_VARIABLE)
