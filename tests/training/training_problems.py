"""Small problems to train on, and comparisons of what was learnt."""

import numpy as np

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim


def three_classes(samples=96, seed=0):
    """Points (N, 4) whose class (N,) is the largest of the first three coordinates."""
    x = np.random.default_rng(seed).normal(size=(samples, 4)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def make_model(seed=0, dropout=0.25):
    """A small network with batch statistics, and dropout from two sources of random numbers."""
    tn.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Dropout(dropout / 2, generator=tn.Generator(seed)),
        nn.Linear(16, 3),
    )


def make_trainer(seed=0, rate=0.02, **options):
    model = make_model(seed)
    options.setdefault("metrics", ["accuracy"])
    return tn.Trainer(model, optim.Adam(model.parameters(), lr=rate), F.cross_entropy, **options)


def snapshot(trainer):
    """Copies of all numbers that a model and its optimiser hold, by name."""
    numbers = {f"model {name}": tensor.numpy().copy() for name, tensor in trainer.model.state_dict().items()}
    state = trainer.optimizer.state_dict()
    numbers.update((f"optimizer {name}", array) for name, array in state["arrays"].items())
    numbers["steps"] = np.array(state["steps"])
    numbers["rates"] = np.array([group["lr"] for group in state["groups"]])
    return numbers


def assert_same_numbers(found, expected):
    """Fails unless two snapshots are equal to the last bit."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].tobytes() == array.tobytes(), name


def without_times(history):
    """The rows without what two runs of the same training may differ in."""
    differing = ("seconds", "peak_memory")
    return [{name: value for name, value in row.items() if name not in differing} for row in history.epochs]
