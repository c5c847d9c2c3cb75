"""New tensors, which have no inputs to differentiate by."""

import numpy as np

from operation_table.core import Operation, normal, sample
from tinynet.backend import Generator
from tinynet.functional import creation


def made(name, function, reference, torch=None):
    """A description of something made from nothing; `function` is given the module's function."""
    return Operation(
        name, (sample(),), reference, torch, lambda: function(getattr(creation, name)), orders=0, empty=None
    )


def like(name, reference, torch, **options):
    return Operation(
        name, (sample(normal(3, 4), **options),), reference, torch, getattr(creation, name), orders=0
    )


OPERATIONS = [
    made("zeros", lambda f: f(2, 3), lambda: np.zeros((2, 3)), lambda torch: torch.zeros(2, 3)),
    made("zeros", lambda f: f((2, 3), dtype=int), lambda: np.zeros((2, 3), int)),
    made("zeros", lambda f: f(), lambda: np.zeros(())),
    made("ones", lambda f: f((2, 3)), lambda: np.ones((2, 3)), lambda torch: torch.ones(2, 3)),
    made(
        "full", lambda f: f((2, 3), 1.5), lambda: np.full((2, 3), 1.5), lambda torch: torch.full((2, 3), 1.5)
    ),
    made("full", lambda f: f(3, -2), lambda: np.full(3, -2.0)),
    made("arange", lambda f: f(5), lambda: np.arange(5), lambda torch: torch.arange(5)),
    made("arange", lambda f: f(1, 8, 3), lambda: np.arange(1, 8, 3), lambda torch: torch.arange(1, 8, 3)),
    made("arange", lambda f: f(0, 1, 0.25), lambda: np.arange(0, 1, 0.25)),
    made(
        "linspace", lambda f: f(0, 1, 5), lambda: np.linspace(0, 1, 5), lambda torch: torch.linspace(0, 1, 5)
    ),
    made("eye", lambda f: f(3), lambda: np.eye(3), lambda torch: torch.eye(3)),
    made("eye", lambda f: f(2, 3, dtype=int), lambda: np.eye(2, 3, dtype=int)),
    made(
        "rand",
        lambda f: f(2, 3, generator=Generator(7)),
        lambda: np.random.default_rng(7).random((2, 3), np.float32),
    ),
    made(
        "randn",
        lambda f: f((2, 3), dtype=np.float64, generator=Generator(7)),
        lambda: np.random.default_rng(7).standard_normal((2, 3)),
    ),
    like("zeros_like", np.zeros_like, lambda torch, x: torch.zeros_like(x)),
    like("ones_like", np.ones_like, lambda torch, x: torch.ones_like(x)),
    like(
        "full_like",
        lambda x, value: np.full_like(x, value),
        lambda torch, x, value: torch.full_like(x, value),
        value=2.5,
    ),
]
