"""Large arrays of the graph: their memory is used again from step to step, and let go as soon as possible."""

import numpy as np
import pytest

from tinynet import Tensor, no_grad
from tinynet_kernels import memory

SHAPE = (128, 1024)  # 512 KiB in float32, exactly a size class
SIZE = 128 * 1024 * 4
DEPTH = 12


@pytest.fixture(autouse=True)
def start_from_here():
    memory.reset_peak()


def ones():
    return np.ones(SHAPE, np.float32)


def arrays_at_the_peak(function):
    """How many large arrays were alive at once while the function ran, beyond those that were before."""
    memory.reset_peak()
    before = memory.statistics().in_use
    function()
    return (memory.statistics().peak_in_use - before) / SIZE


def test_a_step_that_is_repeated_takes_no_new_memory():
    x = Tensor(ones(), requires_grad=True)
    y = Tensor(ones())

    def step():
        z = (x * y + x).exp() - y
        ((z * z + z) / y).backward(y)
        x.grad = None

    step()
    before = memory.statistics().fresh
    for _ in range(3):
        step()
    assert memory.statistics().fresh == before


def test_large_and_small_arrays_have_the_same_gradients(rng):
    data = rng.uniform(0.5, 1.5, SHAPE)
    gradients = []
    for rows in (SHAPE[0], 1):
        parts = []
        for start in range(0, SHAPE[0], rows):
            x = Tensor(data[start : start + rows].copy(), requires_grad=True)
            y = (x * x.exp() + x.sqrt() + 1.0 / x).log() * -x
            (y + x * y).backward(np.ones(x.shape))
            parts.append(x.grad.data)
        gradients.append(np.concatenate(parts))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-13)


def test_without_a_graph_a_chain_needs_two_arrays():
    x, y = Tensor(ones()), Tensor(ones())

    def chain():
        with no_grad():
            z = x + y
            for _ in range(DEPTH):
                z = z * y

    assert arrays_at_the_peak(chain) == 2


def test_backward_frees_what_it_has_used():
    x, y = Tensor(ones(), requires_grad=True), Tensor(ones())

    def chain():
        z = x
        for _ in range(DEPTH):
            z = z.sqrt()
        z = z * y
        z.backward(y)

    # All outputs, and in the first steps back a gradient, the next one and an array to compute it with.
    assert arrays_at_the_peak(chain) <= DEPTH + 1 + 3


def test_a_sum_that_nobody_reads_keeps_no_array():
    x, y = Tensor(ones(), requires_grad=True), Tensor(ones())

    def chain():
        z = x
        for _ in range(DEPTH):
            z = z + y
        z.backward(y)

    assert arrays_at_the_peak(chain) <= 3


def test_gradients_from_many_sides_are_added_in_one_array():
    x, y = Tensor(ones(), requires_grad=True), Tensor(ones())

    def fan():
        a = x + y
        total = a + y
        for _ in range(DEPTH):
            total = total + a * y
        total.backward(y)
        np.testing.assert_array_equal(x.grad.data, np.full(SHAPE, DEPTH + 1))

    assert arrays_at_the_peak(fan) <= 5
