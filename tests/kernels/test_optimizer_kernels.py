"""Optimiser steps: twenty of them against torch.optim, and agreement of the takes."""

import numpy as np
import pytest

from tinynet_kernels import optimizer, pinned

STEPS = 20
TAKES = ["reference", "cpu"]

SGD = [
    {"momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.1},
    {"momentum": 0.9, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0},
    {"momentum": 0.9, "dampening": 0.3, "nesterov": False, "weight_decay": 0.1},
    {"momentum": 0.9, "dampening": 0.0, "nesterov": True, "weight_decay": 0.1},
]
ADAM = [
    {"weight_decay": decay, "decoupled": decoupled} for decay in (0.0, 0.1) for decoupled in (False, True)
]
RMSPROP = [
    {"momentum": momentum, "weight_decay": decay, "centered": centered}
    for momentum, decay, centered in [
        (0.0, 0.0, False),
        (0.9, 0.1, False),
        (0.0, 0.1, True),
        (0.9, 0.0, True),
    ]
]
ADAGRAD = [{"weight_decay": 0.0}, {"weight_decay": 0.1}]


def run(take, update, dtype=np.float64, strided=False):
    """The parameters and three states after `STEPS` updates from seeded gradients."""
    random = np.random.default_rng(0)
    arrays = random.standard_normal((4, 2 * 37)).astype(dtype)
    arrays[1:] = 0
    parameters, *state = arrays[:, ::2] if strided else arrays[:, ::2].copy()
    with pinned(take):
        for step in range(1, STEPS + 1):
            gradients = random.standard_normal(parameters.size).astype(dtype)
            kept = gradients.copy()
            update(parameters, gradients, state, step)
            np.testing.assert_array_equal(gradients, kept)
    return parameters, *state


def run_pytorch(make):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    random = np.random.default_rng(0)
    parameters = torch.from_numpy(random.standard_normal((4, 2 * 37))[0, ::2].copy()).requires_grad_()
    stepper = make(torch.optim, [parameters])
    for _ in range(STEPS):
        parameters.grad = torch.from_numpy(random.standard_normal(37))
        stepper.step()
    return parameters.detach().numpy()


def sgd(options):
    def update(parameters, gradients, state, step):
        velocity = state[0] if options["momentum"] else None
        optimizer.sgd(parameters, gradients, velocity, 0.05, **options, first_step=step == 1)

    return update


def adam(options):
    def update(parameters, gradients, state, step):
        optimizer.adam(parameters, gradients, *state[:2], step, 0.05, 0.9, 0.99, 1e-6, **options)

    return update


def rmsprop(options):
    def update(parameters, gradients, state, step):
        square, velocity, average = state
        optimizer.rmsprop(
            parameters,
            gradients,
            square,
            velocity if options["momentum"] else None,
            average if options["centered"] else None,
            0.05,
            0.9,
            1e-6,
            options["momentum"],
            options["weight_decay"],
        )

    return update


def adagrad(options):
    def update(parameters, gradients, state, step):
        optimizer.adagrad(parameters, gradients, state[0], 0.05, 1e-6, **options)

    return update


def pytorch_adam(options):
    name = "AdamW" if options["decoupled"] else "Adam"
    return lambda optim, parameters: getattr(optim, name)(
        parameters, 0.05, (0.9, 0.99), 1e-6, weight_decay=options["weight_decay"]
    )


CASES = [
    *((sgd(o), lambda optim, p, o=o: optim.SGD(p, 0.05, **o)) for o in SGD),
    *((adam(o), pytorch_adam(o)) for o in ADAM),
    *((rmsprop(o), lambda optim, p, o=o: optim.RMSprop(p, 0.05, 0.9, 1e-6, **o)) for o in RMSPROP),
    *((adagrad(o), lambda optim, p, o=o: optim.Adagrad(p, 0.05, eps=1e-6, **o)) for o in ADAGRAD),
]
NAMES = [
    f"{name}-{i}"
    for name, options in (("sgd", SGD), ("adam", ADAM), ("rmsprop", RMSPROP), ("adagrad", ADAGRAD))
    for i in range(len(options))
]


@pytest.mark.parametrize(("update", "make"), CASES, ids=NAMES)
@pytest.mark.parametrize("take", TAKES)
def test_twenty_steps_follow_pytorch(take, update, make):
    parameters, *_ = run(take, update)
    np.testing.assert_allclose(parameters, run_pytorch(make), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("update", "make"), CASES, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_takes_agree(dtype, update, make, same):
    expected = run("reference", update, dtype)
    tolerance = 1e-4 if dtype is np.float32 else 1e-12  # centered RMSprop divides by small differences
    same(run("cpu", update, dtype), expected, tolerance)
    same(run("cpu", update, dtype, strided=True), expected, tolerance)


@pytest.mark.parametrize("index", range(4))
def test_takes_agree_on_arrays_of_many_blocks(index, same):
    update = (sgd(SGD[-1]), adam(ADAM[0]), rmsprop(RMSPROP[-1]), adagrad(ADAGRAD[0]))[index]
    gradients = np.random.default_rng(0).standard_normal(150_001)
    results = []
    for take in ("reference", "cpu"):
        parameters, state = np.ones_like(gradients), np.full((3, gradients.size), 2.0)
        with pinned(take):
            update(parameters, gradients, state, 2)
        results.append((parameters, state))
    same(*results)


@pytest.mark.parametrize("take", TAKES)
def test_the_first_step_of_momentum_ignores_the_old_velocity(take):
    parameters, gradients, velocity = np.ones(3), np.array([1.0, 2.0, 3.0]), np.full(3, np.nan)
    with pinned(take):
        optimizer.sgd(parameters, gradients, velocity, 0.5, 0.9, 0.5, False, 0.0, True)
    np.testing.assert_array_equal(velocity, gradients)
    np.testing.assert_array_equal(parameters, [0.5, 0.0, -0.5])


@pytest.mark.parametrize("take", TAKES)
def test_nan_gradients_reach_the_parameters(take):
    with pinned(take):
        for update in (sgd(SGD[2]), adam(ADAM[0]), rmsprop(RMSPROP[0]), adagrad(ADAGRAD[0])):
            parameters = np.ones(2)
            update(parameters, np.array([np.nan, 0.0]), np.zeros((3, 2)), 1)
            assert np.isnan(parameters).tolist() == [True, False]


def test_no_parameters_at_all():
    for take in TAKES:
        with pinned(take):
            for update, _ in CASES:
                update(np.empty(0), np.empty(0), np.empty((3, 0)), 1)


def test_errors_name_the_argument_and_the_shapes():
    p, short = np.zeros(4), np.zeros(3)
    with pytest.raises(ValueError) as error:
        optimizer.adam(p, p, p, short, 1, 0.1, 0.9, 0.99, 1e-8, 0, False)
    assert str(error.value) == "optimizer.adam: second_moment has shape (3,) but parameters have (4,)"
    with pytest.raises(ValueError, match="step counts from 1, but is 0"):
        optimizer.adam(p, p, p, p, 0, 0.1, 0.9, 0.99, 1e-8, 0, False)
    with pytest.raises(ValueError, match=r"sgd: momentum = 0.9 needs a velocity"):
        optimizer.sgd(p, p, None, 0.1, 0.9, 0, False, 0, True)
    with pytest.raises(ValueError, match=r"rmsprop: momentum = 0.9 needs a velocity"):
        optimizer.rmsprop(p, p, p, None, None, 0.1, 0.9, 1e-8, 0.9, 0)
    with pytest.raises(ValueError, match=r"must be flat \(P,\), but have shape \(2, 2\)"):
        optimizer.adagrad(p.reshape(2, 2), p, p, 0.1, 1e-8, 0)
