"""Hooks see whole gradients, may replace them, and can be removed."""

import numpy as np
import pytest

from tinynet import Tensor, grad, no_grad
from tinynet.errors import GraphError


def leaf(*numbers):
    return Tensor(np.array(numbers, np.float64), requires_grad=True)


@pytest.fixture(params=[False, True], ids=["plain", "recorded"])
def create_graph(request):
    return request.param


def test_a_hook_sees_the_whole_gradient_once(create_graph):
    x = leaf(3.0)
    a = x * 1.0
    seen = []
    for tensor in (a, x):
        tensor.register_hook(lambda gradient: seen.append(gradient.item()))
    (a * a + a * 5.0 + x).backward(create_graph=create_graph)
    assert seen == [11.0, 12.0]
    assert x.grad.item() == 12.0


def test_a_hook_may_replace_the_gradient(create_graph):
    x = leaf(3.0)
    a = x * 2.0
    a.register_hook(lambda gradient: gradient * 10.0)
    x.register_hook(lambda gradient: gradient + 1.0)
    (a * a).backward(create_graph=create_graph)
    assert x.grad.item() == 12 * 10 * 2 + 1


def test_a_replacement_is_differentiated(create_graph):
    x = leaf(3.0)
    x.register_hook(lambda gradient: gradient * gradient)
    first = grad(x * x, x, create_graph=True)
    assert first.item() == 36.0
    assert first.requires_grad


def test_hooks_run_in_the_order_of_registration():
    x = leaf(1.0)
    x.register_hook(lambda gradient: gradient + 1.0)
    x.register_hook(lambda gradient: gradient * 10.0)
    (x * 1.0).backward()
    assert x.grad.item() == 20.0


def test_a_hook_can_be_removed():
    x = leaf(1.0)
    a = x * 1.0
    removals = [tensor.register_hook(lambda gradient: gradient * 10.0) for tensor in (x, a)]
    a.backward(retain_graph=True)
    assert x.grad.item() == 100.0
    for remove in removals:
        remove()
        remove()  # a second time is no error
    x.grad = None
    a.backward()
    assert x.grad.item() == 1.0


def test_removing_one_hook_leaves_the_others():
    x = leaf(1.0)
    x.register_hook(lambda gradient: gradient * 3.0)
    x.register_hook(lambda gradient: gradient * 5.0)()
    (x * 1.0).backward()
    assert x.grad.item() == 3.0


def test_hooks_see_the_gradients_of_grad_as_well(create_graph):
    x = leaf(3.0)
    a = x * x
    seen = []
    a.register_hook(lambda gradient: seen.append(gradient.item()))
    assert grad(a * 2.0, a, create_graph=create_graph).item() == 2.0
    assert seen == [2.0]


def test_a_tensor_without_gradient_takes_no_hook():
    with pytest.raises(GraphError, match="this tensor requires no gradient"):
        Tensor(np.ones(1)).register_hook(print)
    with no_grad():
        y = leaf(1.0) * 2.0
    with pytest.raises(GraphError):
        y.register_hook(print)


class TestRetainGrad:
    def test_keeps_the_gradient_of_a_tensor_that_is_no_leaf(self, create_graph):
        x = leaf(3.0)
        a = x * x
        a.retain_grad()
        (a * a).backward(create_graph=create_graph)
        assert a.grad.item() == 18.0
        assert a.grad.requires_grad == create_graph

    def test_otherwise_it_is_not_kept(self):
        x = leaf(3.0)
        a = x * x
        (a * a).backward()
        assert a.grad is None

    def test_adds_up_and_counts_once(self):
        x = leaf(3.0)
        a = x * x
        assert a.retain_grad() is a
        a.retain_grad()
        y = a * 2.0
        y.backward(retain_graph=True)
        y.backward()
        assert a.grad.item() == 4.0

    def test_shares_no_memory(self):
        x = leaf(1.0, 2.0)
        a, b = x * 1.0, x * 2.0
        for tensor in (a, b):
            tensor.retain_grad()
        (a + b).backward(np.ones(2))
        a.grad.data += 100
        np.testing.assert_array_equal(b.grad.data, [1, 1])

    def test_does_nothing_to_a_leaf(self):
        x = leaf(3.0)
        x.retain_grad()
        (x * x).backward()
        assert x.grad.item() == 6.0
