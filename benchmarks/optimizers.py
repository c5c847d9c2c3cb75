"""The update of all parameters by an optimiser.

python -m benchmarks.optimizers [--rounds 7] [--only NAME] [--full]
"""

from itertools import pairwise

import numpy as np

from benchmarks.comparison import OURS, Comparison, check_agreement, run_alone
from benchmarks.pytorch import torch
from tinynet import nn, optim

__all__ = ["comparisons"]

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
            lambda name=name, options=options: _candidates(name, options),
            bytes=passes * count * FLOAT_BYTES,
        )
        for name, (options, passes) in choices.items()
    ]


def _candidates(name, options):
    model = nn.Sequential(*[nn.Linear(*pair) for pair in pairwise(WIDTHS)])
    generator = np.random.default_rng(0)
    gradients = [generator.standard_normal(p.shape, dtype=np.float32) for p in model.parameters()]
    candidates, parameters = {}, {}
    if torch is not None:
        for form in ("fused", "foreach"):
            copies = [torch.tensor(p.numpy()).requires_grad_() for p in model.parameters()]
            for parameter, gradient in zip(copies, gradients, strict=True):
                parameter.grad = torch.tensor(gradient)
            optimizer = getattr(torch.optim, name)(copies, lr=LEARNING_RATE, **options, **{form: True})
            candidates[f"PyTorch {form}"], parameters[f"PyTorch {form}"] = optimizer.step, copies
    ours = getattr(optim, name)(model.parameters(), lr=LEARNING_RATE, **options)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        parameter.grad = gradient
    candidates[OURS], parameters[OURS] = ours.step, list(model.parameters())
    _check(candidates, parameters)
    return candidates


def _check(candidates, parameters):
    for step in candidates.values():
        step()
    check_agreement({name: _flat(tensors) for name, tensors in parameters.items()}, TOLERANCE)


def _flat(parameters):
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters])


if __name__ == "__main__":
    run_alone(__doc__, comparisons)
