"""The comparison with other engines: its tasks in tinynet, and what is made of the answers."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are not installed with the package

from benchmarks.comparison import OURS
from benchmarks.engines import in_tinynet
from benchmarks.engines.measurement import (
    PROBLEM_IF_NOWHERE,
    Engine,
    disagreement,
    measure_engines,
    start_engines,
)
from benchmarks.engines.table import as_markdown
from benchmarks.engines.tasks import CHAINS, NETWORKS
from benchmarks.engines.worker import numbers, prepared_tasks
from benchmarks.timing import Timing


class AnsweringEngine:
    """An engine whose answers are known beforehand."""

    def __init__(self, found, seconds, is_slow=False):
        self.tasks = {"a task": {"numbers": found, "seconds": seconds, "is_slow": is_slow}}
        self.turns = 0
        self.seconds = seconds

    def take_turn(self, task):
        self.turns += 1
        return self.seconds


def test_engines_take_turns_unless_they_are_slow_or_wrong():
    engines = {
        OURS: AnsweringEngine([1.0, 2.0], 0.1),
        "equal": AnsweringEngine([1.0, 2.0], 0.3),
        "slow": AnsweringEngine([1.0, 2.0], 9.0, is_slow=True),
        "wrong": AnsweringEngine([1.0, 2.1], 0.2),
    }
    ((task, found),) = measure_engines(engines, rounds=3)
    assert task == "a task"
    assert found[OURS].median == pytest.approx(0.1)
    assert found["equal"].median == pytest.approx(0.3)
    assert found["slow"] == Timing(9.0, 9.0, 9.0)
    assert "differs from tinynet by 5.0e-02" in found["wrong"]
    assert [engine.turns for engine in engines.values()] == [3, 3, 0, 0]


@pytest.mark.parametrize("found", [[1.0], [1.0, float("nan")]], ids=["one missing", "NaN"])
def test_a_missing_number_or_nan_is_a_disagreement(found):
    assert disagreement([1.0, 2.0], found) == float("inf")
    assert disagreement([1.0, 2.0], [1.0, 2.0]) == 0


def test_an_engine_that_cannot_be_imported_says_so():
    with pytest.raises(RuntimeError, match="No package metadata was found for an-engine-that-nobody-wrote"):
        Engine("an-engine-that-nobody-wrote", sys.executable)


def test_engines_that_are_not_installed_are_named(monkeypatch):
    def start(name, python):
        if name == OURS:
            return name
        raise RuntimeError(
            f"No package metadata was found for {name}" if name == "mygrad" else "np.int is no longer there"
        )

    monkeypatch.setattr("benchmarks.engines.measurement.Engine", start)
    lines = []
    engines, problems = start_engines([], lines.append)
    assert engines == {OURS: OURS}
    assert problems["mygrad"] == PROBLEM_IF_NOWHERE
    assert problems["dezero"] == "np.int is no longer there"
    assert lines[0] == "tinynet: ready"


def test_the_table_holds_every_engine():
    ours, theirs, once = Timing(2e-3, 1e-3, 3e-3), Timing(5e-3, 5e-3, 6e-3), Timing(9.0, 9.0, 9.0)
    text = as_markdown(
        {
            "date": "2024-02-29",
            "machine": {"processor": "an abacus", "cores": 2},
            "versions": {name: {name: "1.0", "numpy": "2.0"} for name in (OURS, "mygrad", "chainer")},
            "problems": {"dezero": "not installed"},
            "tasks": {"a step": {OURS: ours, "mygrad": theirs, "chainer": once}},
        }
    )
    for expected in (
        "an abacus",
        "| 2.00 ± 1.00 ms |",
        "| 5.00 ± 0.50 ms **2.5 ×** |",
        "| 9000 ms **4500 ×** |",
        "dezero: not installed",
    ):
        assert expected in text


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.name)
def test_chains_have_the_gradients_of_the_formula(chain):
    start, x = chain.values()
    gradients = in_tinynet.chain(chain)()
    if chain.name.startswith("a multiplication"):
        power = x.astype(np.float64) ** (chain.length - 1)
        expected = power * x, chain.length * power * start
    else:
        expected = np.ones(10), np.full(10, chain.length)
    for found, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("name", [network.name for network in NETWORKS])
def test_networks_train_as_in_pytorch(name, torch):
    network = next(network for network in NETWORKS if network.name == name)
    step = dict(prepared_tasks(in_tinynet))[name]
    found = numbers(step()) + numbers(step())
    assert disagreement(_losses_in_pytorch(network, torch), found) < 1e-5


def _losses_in_pytorch(network, torch):
    """The losses of two steps, written down layer by layer with PyTorch's functions."""
    F = torch.nn.functional
    parameters = [torch.from_numpy(array).requires_grad_() for pair in network.weights() for array in pair]
    examples, labels = map(torch.from_numpy, network.batch())
    losses = []
    for _ in range(2):
        x, remaining = examples, iter(parameters)
        for layer in network.layers:
            match layer:
                case "relu":
                    x = F.relu(x)
                case "max pooling 2×2":
                    x = F.max_pool2d(x, 2)
                case "flatten":
                    x = x.flatten(1)
                case (_, _, _, padding):
                    x = F.conv2d(x, next(remaining), next(remaining), padding=padding)
                case _:
                    x = x @ next(remaining) + next(remaining)
        loss = F.cross_entropy(x, labels)
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.data -= 1e-3 * gradient
        losses.append(loss.item())
    return losses


@pytest.fixture
def torch():
    """PyTorch, where it is installed."""
    return pytest.importorskip("torch", reason="parity with PyTorch needs torch")
