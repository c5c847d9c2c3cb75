"""Capsules: routing forward and backward, and a training step of the documented capsule network.

    python -m benchmarks.capsules [--rounds 7] [--only NAME]

PyTorch has no routing of its own. It is written there in two ways, of which the faster counts: with sums of
elementwise products, as it is mostly published, and with batched matrix products. The images of the training
step come in both of PyTorch's memory formats, and Adam is fused.
"""

import argparse

import numpy as np

import tinynet as tn
from benchmarks.comparison import OURS, Comparison, check_agreement, chosen, measure, show
from benchmarks.place import as_numpy, has_pytorch, here, ours, theirs
from benchmarks.pytorch import as_in_pytorch, channels_first, memory_formats, torch
from tinynet import functional as F
from tinynet import models, optim

__all__ = ["capsnet_steps", "comparisons", "routing_operations", "routings"]

SAMPLES, LOWER, LOWER_SIZE, UPPER, UPPER_SIZE, ITERATIONS = 64, 1152, 8, 10, 16, 3

BATCH = 16
LEARNING_RATE = 1e-4
TOLERANCE = 1e-4  # relative


def comparisons(full=False):
    """Routing with gradients through its coefficients and without, and the training step.

    There are no additional ones for the `full` run.
    """
    return [
        *[
            Comparison(
                f"routing, {SAMPLES} × {LOWER} × {LOWER_SIZE} → {UPPER} × {UPPER_SIZE}",
                "capsules",
                lambda through=through: routings(through),
                floating_operations=routing_operations(SAMPLES, LOWER),
                variant="all gradients" if through else "constant coefficients",
            )
            for through in (True, False)
        ],
        Comparison(f"CapsNet, batch {BATCH}", "capsules", capsnet_steps, variant="training step"),
    ]


def routing_operations(samples, lower):
    """Votes and both of their gradients, 2 · K each; sums of all iterations and agreements of all but one."""
    votes = samples * lower * UPPER * UPPER_SIZE
    return votes * (3 * 2 * LOWER_SIZE + 2 * (2 * ITERATIONS - 1))


def routings(through_coefficients, samples=SAMPLES, lower=LOWER):
    """Candidates for routing forward and backward, from so many lower capsules."""
    random = np.random.default_rng(0)
    u = 0.3 * random.standard_normal((samples, lower, LOWER_SIZE), np.float32)
    weight = 0.1 * random.standard_normal((lower, UPPER, LOWER_SIZE, UPPER_SIZE), np.float32)
    gy = random.standard_normal((samples, UPPER, UPPER_SIZE), np.float32)
    inputs, seed = [ours(array, requires_grad=True) for array in (u, weight)], ours(gy)

    def run():
        y = F.route(*inputs, ITERATIONS, through_coefficients)
        return tn.grad(y, inputs, seed)

    candidates = {OURS: run}
    if has_pytorch():
        for name, route in (("elementwise", _route_elementwise), ("products", _route_by_products)):
            candidates[f"PyTorch, {name}"] = _gradients_in_pytorch(route, u, weight, gy, through_coefficients)
    found = {name: [*map(as_numpy, function())] for name, function in candidates.items()}
    for index in range(2):
        check_agreement({name: arrays[index] for name, arrays in found.items()}, TOLERANCE)
    return candidates


def _gradients_in_pytorch(route, u, weight, gy, through_coefficients):
    inputs = [theirs(array).clone().requires_grad_() for array in (u, weight)]
    seed = theirs(gy)

    def gradients():
        y = route(*inputs, through_coefficients)
        return torch.autograd.grad(y, inputs, seed)

    return gradients


def _squash(s):
    squared = s.square().sum(-1, keepdim=True)
    return s * (squared / (1 + squared) / torch.sqrt(squared + 1e-7))


def _route_elementwise(u, weight, through_coefficients):
    votes = torch.einsum("nik,iokd->niod", u, weight)
    constant = votes if through_coefficients else votes.detach()
    logits = torch.zeros(votes.shape[:3], device=votes.device)
    for _ in range(ITERATIONS - 1):
        y = _squash((torch.softmax(logits, 2).unsqueeze(-1) * constant).sum(1))
        logits = logits + (constant * y.unsqueeze(1)).sum(-1)
    return _squash((torch.softmax(logits, 2).unsqueeze(-1) * votes).sum(1))


def _route_by_products(u, weight, through_coefficients):
    """The votes lie as (N, O, I, D), so that sums and agreements are products of matrices."""
    votes = torch.einsum("nik,iokd->noid", u, weight)
    constant = votes if through_coefficients else votes.detach()
    logits = torch.zeros(votes.shape[:3], device=votes.device)
    for _ in range(ITERATIONS - 1):
        y = _squash(torch.softmax(logits, 1).unsqueeze(2) @ constant)
        logits = logits + (constant @ y.transpose(2, 3)).squeeze(-1)
    return _squash(torch.softmax(logits, 1).unsqueeze(2) @ votes).squeeze(2)


def capsnet_steps(batch=BATCH):
    """Candidates for a training step of the capsule network."""
    random = np.random.default_rng(0)
    images = random.random((batch, 28, 28, 1), np.float32)
    labels = random.integers(0, 10, batch)
    tn.manual_seed(0)
    model = here(models.CapsNet())
    weights = {name: parameter.numpy().copy() for name, parameter in model.named_parameters()}
    candidates = {OURS: _step_in_tinynet(model, images, labels)}
    for name, memory_format in memory_formats().items():
        candidates[name] = _step_in_pytorch(weights, images, labels, memory_format)
    losses = {name: np.array([step().item()]) for name, step in candidates.items()}
    check_agreement(losses, TOLERANCE)
    return candidates


def _step_in_tinynet(model, images, labels):
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)
    images, labels = ours(images), ours(labels)

    def step():
        optimizer.zero_grad()
        loss = model.loss(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _step_in_pytorch(weights, images, labels, memory_format):
    """The same network from the same weights; all of its gradients go through the coefficients as well."""
    parameters = {}
    for name, weight in weights.items():
        is_routing = name == "digits.weight"
        tensor = theirs(torch.from_numpy(weight.copy()) if is_routing else as_in_pytorch(weight))
        if tensor.ndim == 4 and not is_routing:
            tensor = tensor.contiguous(memory_format=memory_format)
        parameters[name] = tensor.requires_grad_()
    optimizer = torch.optim.Adam(list(parameters.values()), lr=LEARNING_RATE, fused=True)
    x, target = channels_first(images, memory_format), theirs(images.reshape(len(images), -1))
    chosen_class = torch.nn.functional.one_hot(theirs(labels), 10).float()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = _loss_in_pytorch(parameters, x, target, chosen_class)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def _loss_in_pytorch(parameters, x, target, chosen_class):
    functional = torch.nn.functional
    h = functional.conv2d(x, parameters["conv.weight"], parameters["conv.bias"]).relu()
    h = functional.conv2d(h, parameters["primary.conv.weight"], parameters["primary.conv.bias"], stride=2)
    u = _squash(h.permute(0, 2, 3, 1).reshape(len(x), LOWER, LOWER_SIZE))
    v = _route_by_products(u, parameters["digits.weight"], True)
    lengths = torch.sqrt(v.square().sum(-1) + 1e-7)
    h = (v * chosen_class.unsqueeze(-1)).flatten(1)
    for index, activation in ((0, torch.relu), (2, torch.relu), (4, torch.sigmoid)):
        weight, bias = (parameters[f"decoder.{index}.{name}"] for name in ("weight", "bias"))
        h = activation(functional.linear(h, weight, bias))
    there, absent = (0.9 - lengths).relu().square(), (lengths - 0.1).relu().square()
    margin = (chosen_class * there + 0.5 * (1 - chosen_class) * absent).sum(1).mean()
    return margin + 0.0005 * (h - target).square().sum() / len(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="how often each candidate is timed")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="only comparisons with this in their name"
    )
    options = parser.parse_args()
    show(measure(chosen(comparisons(), options.only), options.rounds))


if __name__ == "__main__":
    main()
