"""`tn.grad`: gradients by chosen tensors, which leaves every ``grad`` alone."""

import numpy as np
import pytest

from tinynet import Function, Tensor, grad, no_grad
from tinynet.errors import GraphError


def leaf(*numbers):
    return Tensor(np.array(numbers, np.float64), requires_grad=True)


def test_one_input_gives_a_tensor_and_several_a_tuple():
    x, y = leaf(2.0), leaf(5.0)
    assert isinstance(grad(x * y, x), Tensor)
    assert [g.item() for g in grad(x * y, [y, x])] == [2.0, 5.0]
    assert [g.item() for g in grad(x * y, [x])] == [5.0]


def test_leaves_grad_alone():
    x, y = leaf(2.0), leaf(5.0)
    x.grad = Tensor(np.array([7.0]))
    grad(x * y, x)
    assert x.grad.item() == 7.0
    assert y.grad is None


def test_by_tensors_that_are_not_leaves():
    x = leaf(2.0)
    a = x * x
    b = a * 3.0
    y = b * a
    by_b, by_a, by_x = grad(y, [b, a, x])
    assert (by_b.item(), by_a.item(), by_x.item()) == (4.0, 12.0 + 12.0, 24.0 * 4.0)


def test_by_the_output_itself():
    y = leaf(2.0) * 3.0
    assert grad(y, y).item() == 1.0
    x = leaf(2.0)
    assert grad(x, x).item() == 1.0


def test_the_graph_behind_the_inputs_stays_whole():
    x = leaf(2.0)
    a = x * x
    assert grad(a * a, a).item() == 8.0
    a.backward()
    assert x.grad.item() == 4.0


def test_stops_at_the_inputs():
    class Broken(Function):
        __slots__ = ()

        def forward(self, x):
            return x * 1.0

        def backward(self, gy):
            raise AssertionError("nothing behind this is asked for")

    a = Broken()(leaf(2.0))
    assert grad(a * a, a).item() == 4.0


def test_a_freed_graph_behind_the_inputs_does_not_matter():
    x = leaf(2.0)
    a = x * x
    (a * 3.0).backward()
    assert grad(a * a, a).item() == 8.0


def test_a_path_through_a_freed_part_is_not_lost_in_silence():
    x, w = leaf(2.0), leaf(5.0)
    a = x * x
    (a * 3.0).backward()
    y = a * w + x
    for inputs in (x, [w, x], [a, x]):
        with pytest.raises(GraphError, match="retain_graph=True"):
            grad(y, inputs, allow_unused=True)
    assert grad(y, a).item() == 5.0


def test_several_outputs_are_summed():
    x = leaf(2.0, 3.0)
    result = grad([x * 2.0, x * x], x, [np.ones(2), [1.0, 10.0]])
    np.testing.assert_array_equal(result.data, [2 + 4, 2 + 60])
    from_generator = grad((x * factor for factor in (2.0, 3.0)), x, [np.ones(2)] * 2)
    np.testing.assert_array_equal(from_generator.data, [5, 5])


def test_the_same_output_twice():
    x = leaf(2.0)
    y = x * x
    assert grad([y, y], x).item() == 8.0


def test_an_output_that_another_is_computed_from():
    x = leaf(2.0)
    a = x * x
    assert grad([a, a * a], x).item() == 4.0 + 4 * 8.0


def test_unused_inputs():
    x, y = leaf(2.0), leaf(5.0)
    with pytest.raises(GraphError, match=r"do not depend on input 1 \(shape \(1,\)\).*allow_unused"):
        grad(x * x, [x, y])
    by_x, by_y = grad(x * x, [x, y], allow_unused=True)
    assert by_x.item() == 4.0
    assert by_y is None


def test_inputs_without_gradient_are_refused():
    x = leaf(2.0)
    with pytest.raises(GraphError, match=r"grad: input 1 \(shape \(3,\)\) does not require a gradient"):
        grad(x * x, [x, Tensor(np.ones(3))])


def test_higher_derivatives():
    x = leaf(2.0)
    y = x * x * x * x
    derivatives = []
    for _ in range(4):
        y = grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [32.0, 48.0, 48.0, 24.0]


def test_hessian_vector_product_through_a_gradient_penalty():
    x = leaf(1.0, 2.0)
    w = leaf(3.0, 4.0)
    (g,) = grad(x * x * w, [x], np.ones(2), create_graph=True)  # 2 x w
    (g * g).backward(np.ones(2))  # 4 x² w²
    np.testing.assert_array_equal(w.grad.data, [8 * 1 * 3, 8 * 4 * 4])
    np.testing.assert_array_equal(x.grad.data, [8 * 1 * 9, 8 * 2 * 16])


def test_works_inside_no_grad():
    x = leaf(2.0)
    y = x * x
    with no_grad():
        first = grad(y, x, create_graph=True)
        assert first.requires_grad
        assert not grad(y, x).requires_grad
    assert grad(first, x).item() == 2.0
