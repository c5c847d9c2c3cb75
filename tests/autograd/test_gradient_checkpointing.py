"""A checkpointed section gives the same gradients, bit for bit, and keeps nothing but its inputs."""

import weakref

import numpy as np
import pytest

import tinynet as tn
from tinynet import Function, Tensor, checkpoint, grad, no_grad
from tinynet import functional as F
from tinynet.autograd import is_recomputing
from tinynet.backend import default_generator
from tinynet.errors import GraphError


class Scratch(Function):
    """x² with a scratch array, its output and its input kept for backward."""

    __slots__ = ()
    reads = ((0,),)
    reads_output = True

    def forward(self, x):
        self.kept = np.sqrt(abs(x))
        return x * x

    def backward(self, gy):
        return gy * (self.inputs[0] * 2.0 + self.output * 0.0 + Tensor(self.kept) * 0.0)


def noise(x):
    """Multiplies with a random mask, as dropout does."""
    mask = default_generator().uniform(x.shape, dtype=np.float64) < 0.5
    return x * Tensor(mask.astype(np.float64))


@pytest.fixture
def leaves(rng):
    return [Tensor(rng.normal(size=(3, 4)), requires_grad=True) for _ in range(2)]


def section(x, w):
    for _ in range(3):
        x = Scratch()(x * w) + x / (w * w + 1.0)
    return x


def gradients_of(function, leaves, order=1):
    y = function(*leaves)
    results = grad(y, leaves, np.ones(y.shape), create_graph=order > 1)
    if order > 1:
        squares = [g * g for g in results]
        results = grad(squares, leaves, [np.ones(g.shape) for g in squares])
    return [result.data for result in results]


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_are_the_same_bit_for_bit(leaves, order):
    expected = gradients_of(section, leaves, order)
    found = gradients_of(lambda x, w: checkpoint(section, x, w), leaves, order)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("order", [1, 2])
def test_nested_and_chained(leaves, order):
    def nested(x, w):
        return checkpoint(lambda x, w: checkpoint(section, x * 2.0, w) + checkpoint(section, x, w), x, w)

    def chained(x, w):
        return nested(nested(x, w) * 0.1, w)

    def plain(x, w):
        for factor in (1.0, 0.1):
            x = x * factor if factor != 1.0 else x
            x = section(x * 2.0, w) + section(x, w)
        return x

    expected = gradients_of(plain, leaves, order)
    for one, other in zip(gradients_of(chained, leaves, order), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_gradcheck_through_a_checkpoint(leaves):
    assert tn.gradcheck(lambda x, w: checkpoint(section, x, w) * x, leaves, order=2)


def test_parameters_used_inside_get_their_gradients(leaves):
    x, w = leaves
    checkpoint(lambda x: section(x, w), x).backward(np.ones((3, 4)))
    expected = gradients_of(section, leaves)
    np.testing.assert_array_equal(x.grad.data, expected[0])
    np.testing.assert_array_equal(w.grad.data, expected[1])


def test_inputs_without_gradient(leaves):
    x, w = leaves
    checkpoint(section, x.detach(), w).backward(np.ones((3, 4)))
    np.testing.assert_array_equal(w.grad.data, gradients_of(section, leaves)[1])


def test_only_the_inputs_are_kept(leaves):
    arrays = []

    def watched(x, w):
        a = x * w
        b = Scratch()(a)
        c = b * b
        arrays.extend([weakref.ref(a.data), weakref.ref(b.data), weakref.ref(c.data)])
        return c * 1.0

    y = checkpoint(watched, *leaves)
    assert [reference() is None for reference in arrays] == [True] * 3
    y.backward(np.ones((3, 4)))
    assert all(reference() is None for reference in arrays)


def test_the_function_runs_twice_and_knows_it(leaves):
    runs = []

    def watched(x, w):
        runs.append(is_recomputing())
        return section(x, w)

    y = checkpoint(watched, *leaves)
    assert runs == [False]
    y.backward(np.ones((3, 4)))
    assert runs == [False, True]
    assert not is_recomputing()


def test_a_nested_section_knows_that_the_outer_one_is_recomputed(leaves):
    runs = []

    def inner(x, w):
        runs.append(is_recomputing())
        return section(x, w)

    checkpoint(lambda x, w: checkpoint(inner, x * 2.0, w) * 3.0, *leaves).backward(np.ones((3, 4)))
    assert runs[0] is False
    assert len(runs) >= 2
    assert all(runs[1:])


def test_random_numbers_are_repeated_and_the_generator_goes_on(leaves):
    x, w = leaves

    def random_section(x):
        return noise(noise(x) * w)

    def run(function):
        tn.manual_seed(7)
        y = function(x)
        between = default_generator().uniform((2,))
        result = grad(y, [x, w], np.ones(y.shape))
        return y.data, between, *[g.data for g in result], default_generator().uniform((2,))

    for one, other in zip(run(lambda x: checkpoint(random_section, x)), run(random_section), strict=True):
        np.testing.assert_array_equal(one, other)


def test_backward_twice_with_retain_graph(leaves):
    x, w = leaves
    y = checkpoint(section, x, w) * w + x
    plain = section(x, w) * w + x
    for _ in range(2):
        found = grad(y, leaves, np.ones((3, 4)), retain_graph=True)
        expected = grad(plain, leaves, np.ones((3, 4)), retain_graph=True)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.data, other.data)


def test_backward_twice_without_retain_graph_is_refused(leaves):
    y = checkpoint(section, *leaves)
    y.backward(np.ones((3, 4)))
    with pytest.raises(GraphError, match="retain_graph=True"):
        y.backward(np.ones((3, 4)))


def test_without_recording_it_is_a_plain_call(leaves):
    with no_grad():
        y = checkpoint(section, *leaves)
    assert not y.requires_grad
    np.testing.assert_array_equal(y.data, section(*leaves).data)


def test_several_outputs(leaves):
    first, second = checkpoint(lambda x, w: (x * w, Scratch()(x)), *leaves)
    found = grad([first, second], leaves, [np.ones((3, 4))] * 2)
    x, w = leaves
    np.testing.assert_array_equal(found[0].data, w.data + 2 * x.data)
    np.testing.assert_array_equal(found[1].data, x.data)


def test_a_second_run_that_differs_is_named(leaves):
    runs = []

    def changing(x, w):
        runs.append(1)
        return x * w if len(runs) == 1 else x * w * w

    y = checkpoint(changing, *leaves)
    with pytest.raises(GraphError, match="recorded 1 operations in its first run and 2"):
        y.backward(np.ones((3, 4)))

    def other_operation(x, w):
        runs.append(1)
        return x * w if len(runs) == 3 else x / w

    y = checkpoint(other_operation, *leaves)
    with pytest.raises(GraphError, match="it must do the same both times"):
        y.backward(np.ones((3, 4)))


def test_an_input_changed_in_between_is_named(leaves):
    x, w = leaves
    y = checkpoint(section, x, w)
    with no_grad():
        w[0] = 3.0
    with pytest.raises(GraphError, match=r"checkpoint: input 1 \(shape \(3, 4\)\) was changed in place"):
        y.backward(np.ones((3, 4)))


def test_an_error_in_the_second_run_leaves_everything_in_order(leaves):
    runs = []

    def failing(x, w):
        runs.append(1)
        if len(runs) == 2:
            raise RuntimeError("second run")
        return section(x, w)

    tn.manual_seed(3)
    y = checkpoint(failing, *leaves)
    state = default_generator().get_state()
    with pytest.raises(RuntimeError, match="second run"):
        grad(y, leaves, np.ones((3, 4)), retain_graph=True)
    assert default_generator().get_state() == state
    assert not is_recomputing()
    found = grad(y, leaves, np.ones((3, 4)))
    for one, other in zip(found, gradients_of(section, leaves), strict=True):
        np.testing.assert_array_equal(one.data, other)


def test_generators_of_the_callers_own_draw_the_same_numbers_again():
    generator = tn.Generator(3)
    x = tn.tensor(np.ones(200), requires_grad=True)

    def section(x):
        return F.dropout(x, 0.5, generator=generator) ** 2

    y = tn.checkpoint(section, x)
    state = generator.get_state()
    y.sum().backward()
    assert generator.get_state() == state
    np.testing.assert_array_equal(x.grad.data, 2 * y.data)
