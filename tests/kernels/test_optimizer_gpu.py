"""The CUDA kernels of optimiser steps against the definitions, over several steps."""

import numpy as np
import pytest
from test_optimizer_kernels import ADAGRAD, ADAM, CASES, NAMES, RMSPROP, SGD, adagrad, adam, rmsprop, sgd

from tinynet_kernels import pinned

STEPS = 4


def run(update, dtype, size, gpu=None, stride=1):
    """The parameters and three states after some steps, by the reference if there is no `gpu`."""
    random = np.random.default_rng(0)
    arrays = random.standard_normal((4, size)).astype(dtype)
    arrays[1:] = 0
    all_gradients = random.standard_normal((STEPS, size)).astype(dtype)
    if gpu is None:
        parameters, *state = arrays
        with pinned("reference"):
            for step, gradients in enumerate(all_gradients, 1):
                update(parameters, gradients, state, step)
        return parameters, *state
    wide = gpu.put(np.zeros((4, stride * size), dtype))
    wide[:, ::stride] = gpu.put(arrays)
    parameters, *state = wide[:, ::stride]
    with gpu.pinned():
        for step, gradients in enumerate(all_gradients, 1):
            given = gpu.put(gradients)
            update(parameters, given, state, step)
            np.testing.assert_array_equal(gpu.get(given), gradients)
    return tuple(gpu.get(array) for array in (parameters, *state))


@pytest.mark.parametrize("update", [update for update, _ in CASES], ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_agree_with_the_definition(dtype, update, gpu, same):
    expected = run(update, dtype, 37)
    tolerance = 1e-4 if dtype is np.float32 else 1e-12  # centered RMSprop divides by small differences
    same(run(update, dtype, 37, gpu), expected, tolerance)
    same(run(update, dtype, 37, gpu, stride=2), expected, tolerance)


@pytest.mark.parametrize("index", range(4))
def test_steps_agree_on_arrays_of_many_blocks(index, gpu, same):
    update = (sgd(SGD[-1]), adam(ADAM[0]), rmsprop(RMSPROP[-1]), adagrad(ADAGRAD[0]))[index]
    same(run(update, np.float64, 5003, gpu), run(update, np.float64, 5003), 1e-12)


@pytest.mark.parametrize("update", [sgd(SGD[2]), adam(ADAM[0]), rmsprop(RMSPROP[0]), adagrad(ADAGRAD[0])])
def test_nan_gradients_reach_the_parameters(update, gpu):
    parameters, gradients = gpu.put(np.ones(2)), gpu.put(np.array([np.nan, 0.0]))
    with gpu.pinned():
        update(parameters, gradients, list(gpu.put(np.zeros((3, 2)))), 1)
    assert np.isnan(gpu.get(parameters)).tolist() == [True, False]


def test_the_first_step_of_momentum_ignores_the_old_velocity(gpu):
    parameters, gradients = gpu.put(np.ones(3)), gpu.put(np.array([1.0, 2.0, 3.0]))
    velocity = gpu.put(np.full(3, np.nan))
    with gpu.pinned():
        sgd({"momentum": 0.9, "dampening": 0.5, "nesterov": False, "weight_decay": 0.0})(
            parameters, gradients, [velocity], 1
        )
    np.testing.assert_array_equal(gpu.get(velocity), [1, 2, 3])


@pytest.mark.parametrize("update", [update for update, _ in CASES], ids=NAMES)
def test_no_parameters_at_all(update, gpu):
    parameters, gradients = gpu.put(np.empty(0)), gpu.put(np.empty(0))
    with gpu.pinned():
        update(parameters, gradients, list(gpu.put(np.empty((3, 0)))), 1)
