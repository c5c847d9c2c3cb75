"""The update of all parameters by an optimiser.

python -m benchmarks.optimizers [--rounds 7] [--only NAME] [--full]
"""

from itertools import pairwise

import numpy as np

from benchmarks.comparison import OURS, Comparison, check_agreement, run_alone
from benchmarks.place import as_numpy, has_pytorch, here, ours, theirs
from benchmarks.pytorch import torch
from tinynet import nn, optim

__all__ = ["candidates", "comparisons"]

FLOAT_BYTES = 4

WIDTHS = (512, 4096, 4096, 2048, 2048, 1024)  # of dense layers, 33.6 million parameters together

LEARNING_RATE = 1e-4

TOLERANCE = 1e-5  # relative


def comparisons(full=False):
    """Adam, which PyTorch has in three forms, and in the full run SGD with momentum."""
    count = sum(before * after + after for before, after in pairwise(WIDTHS))
    # Adam reads four arrays and writes three; SGD with momentum reads three and writes two.
    choices = {"Adam": ({}, 7)}
    if full:
        choices["SGD"] = ({"momentum": 0.9}, 5)
    return [
        Comparison(
            f"{name}, {count / 1e6:.1f} million parameters",
            "optimisers",
            lambda name=name, options=options: candidates(name, options),
            bytes=passes * count * FLOAT_BYTES,
        )
        for name, (options, passes) in choices.items()
    ]


def candidates(name, options, widths=WIDTHS):
    """Candidates for the update of dense layers of these widths by the optimiser of this name."""
    model = here(nn.Sequential(*[nn.Linear(*pair) for pair in pairwise(widths)]))
    generator = np.random.default_rng(0)
    gradients = [generator.standard_normal(p.shape, dtype=np.float32) for p in model.parameters()]
    steps, parameters = {}, {}
    if has_pytorch():
        for form in ("fused", "foreach"):
            copies = [theirs(p.numpy().copy()).requires_grad_() for p in model.parameters()]
            for parameter, gradient in zip(copies, gradients, strict=True):
                parameter.grad = theirs(gradient.copy())
            optimizer = getattr(torch.optim, name)(copies, lr=LEARNING_RATE, **options, **{form: True})
            steps[f"PyTorch {form}"], parameters[f"PyTorch {form}"] = optimizer.step, copies
    optimizer = getattr(optim, name)(model.parameters(), lr=LEARNING_RATE, **options)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad = ours(gradient)
    steps[OURS], parameters[OURS] = optimizer.step, list(model.parameters())
    _check(steps, parameters)
    return steps


def _check(steps, parameters):
    for step in steps.values():
        step()
    check_agreement({name: _flat(tensors) for name, tensors in parameters.items()}, TOLERANCE)


def _flat(parameters):
    return np.concatenate([as_numpy(parameter).ravel() for parameter in parameters])


if __name__ == "__main__":
    run_alone(__doc__, comparisons)
