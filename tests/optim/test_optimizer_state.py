"""Saving and restoring optimisers: a restored one goes on bit for bit."""

import json

import numpy as np
import pytest

import tinynet as tn
from tinynet import optim
from tinynet.errors import CheckpointError
from tinynet.nn.parameter import Parameter

MAKERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "plain SGD": lambda p: optim.SGD(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, betas=(0.8, 0.99)),
    "AdamW": lambda p: optim.AdamW(p, lr=np.float64(0.01)),
    "RMSprop": lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1, initial_accumulator_value=0.1),
}


def make_parameters(values):
    """Two parameters, and a leaf that is none."""
    first, second, third = (value.copy() for value in values)
    return [Parameter(first), tn.Tensor(second, requires_grad=True), Parameter(third)]


def take_steps(optimizer, parameters, gradients):
    for step, rows in enumerate(gradients):
        optimizer.zero_grad()
        for index, (parameter, row) in enumerate(zip(parameters, rows, strict=True)):
            if (index, step) != (2, 1):  # one parameter misses a step
                parameter.accumulate_gradient(row)
        optimizer.step()


def through_json(state):
    rest = {key: value for key, value in state.items() if key != "arrays"}
    return {**json.loads(json.dumps(rest, allow_nan=False)), "arrays": state["arrays"]}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MAKERS)
def test_a_restored_optimiser_goes_on_bit_for_bit(rng, name, dtype):
    values = rng.normal(size=(3, 2, 3)).astype(dtype)
    gradients = rng.normal(size=(8, 3, 2, 3)).astype(dtype)
    straight = make_parameters(values)
    optimizer = MAKERS[name](straight)
    take_steps(optimizer, straight, gradients[:4])
    state = through_json(optimizer.state_dict())
    halfway = [parameter.data.copy() for parameter in straight]
    take_steps(optimizer, straight, gradients[4:])

    resumed = make_parameters(halfway)
    other = MAKERS[name](resumed)
    other.groups[0]["lr"] = 123.0
    other.load_state_dict(state)
    take_steps(other, resumed, gradients[4:])
    for one, two in zip(straight, resumed, strict=True):
        np.testing.assert_array_equal(one.data, two.data)
    first, second = optimizer.state_dict(), other.state_dict()
    assert first["groups"] == second["groups"]
    assert first["steps"] == second["steps"]
    assert first["arrays"].keys() == second["arrays"].keys()
    for key, array in first["arrays"].items():
        np.testing.assert_array_equal(array, second["arrays"][key])


def trained(rng, make=MAKERS["Adam"]):
    parameters = make_parameters(rng.normal(size=(3, 2, 3)))
    optimizer = make(parameters)
    take_steps(optimizer, parameters, rng.normal(size=(3, 3, 2, 3)))
    return parameters, optimizer


def test_the_state_names_its_parts_and_is_a_copy(rng):
    parameters, optimizer = trained(rng)
    state = optimizer.state_dict()
    assert state["optimizer"] == "Adam"
    assert state["groups"] == [
        {"lr": 1e-3, "betas": [0.8, 0.99], "epsilon": 1e-8, "weight_decay": 0.0, "params": [0, 1, 2]}
    ]
    assert state["steps"] == [3, 3, 2]
    assert sorted(state["arrays"]) == [f"{i}.{what}_moment" for i in range(3) for what in ("first", "second")]
    saved = {name: array.copy() for name, array in state["arrays"].items()}
    take_steps(optimizer, parameters, rng.normal(size=(1, 3, 2, 3)))
    for name, array in saved.items():
        np.testing.assert_array_equal(state["arrays"][name], array)


def test_a_fresh_state_makes_a_used_optimiser_fresh(rng):
    parameters, optimizer = trained(rng)
    optimizer.load_state_dict(MAKERS["Adam"](make_parameters(rng.normal(size=(3, 2, 3)))).state_dict())
    assert optimizer.state_dict()["arrays"] == {}
    before = parameters[0].data.copy()
    take_steps(optimizer, parameters, np.ones((1, 3, 2, 3)))
    np.testing.assert_allclose(before - parameters[0].data, 1e-3, rtol=1e-6)  # Adam's first step is lr


def change(key, value):
    def damage(state):
        state[key] = value

    return damage


def change_group(key, value):
    def damage(state):
        state["groups"][0][key] = value

    return damage


DAMAGE = [
    (change("optimizer", "SGD"), "it is the state of SGD"),
    (change("surplus", 1), "missing or not expected: surplus"),
    (lambda state: state.pop("steps"), "missing or not expected: steps"),
    (change("groups", "none"), "groups: expected a list, not a str"),
    (change("groups", []), "groups: expected 1, found 0"),
    (change("groups", [3]), "group 0: expected a dict, not a int"),
    (change_group("momentum", 1.0), "group 0: options missing or not expected: momentum"),
    (change_group("params", [0, 1]), r"group 0: expected the parameters \[0, 1, 2\], found \[0, 1\]"),
    (change_group("lr", "fast"), "group 0: must be real number, not str"),
    (change_group("lr", -1.0), "group 0: Adam: lr must be a number of at least 0, not -1.0"),
    (change_group("betas", 3), "group 0: "),
    (change("steps", [1, 2]), r"steps: expected 3 counts, found \[1, 2\]"),
    (change("steps", [1, 2, -1]), "steps: expected 3 counts"),
    (change("steps", [1, 2, 0]), "not expected: 2.first_moment"),
    (lambda state: state["arrays"].pop("1.first_moment"), "missing: 1.first_moment"),
    (lambda state: state["arrays"].update({"1.velocity": np.ones((2, 3))}), "not expected: 1.velocity"),
    (lambda state: state["arrays"].update({"9.first_moment": np.ones(3)}), "not expected: 9.first_moment"),
    (
        lambda state: state["arrays"].update({"0.first_moment": np.ones((3, 2))}),
        r"0.first_moment has shape \(3, 2\) but the parameter has \(2, 3\)",
    ),
    (
        lambda state: state["arrays"].update({"0.first_moment": np.ones((2, 3), np.float32)}),
        "0.first_moment is float32 but the parameter is float64",
    ),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_an_unfit_state_is_refused_and_nothing_changes(rng, damage, message):
    _, source = trained(rng)
    damaged = through_json(source.state_dict())
    damage(damaged)
    _, optimizer = trained(rng)
    before = optimizer.state_dict()
    with pytest.raises(CheckpointError, match=message):
        optimizer.load_state_dict(damaged)
    after = optimizer.state_dict()
    assert (after["groups"], after["steps"]) == (before["groups"], before["steps"])
    for name, array in before["arrays"].items():
        np.testing.assert_array_equal(after["arrays"][name], array)
