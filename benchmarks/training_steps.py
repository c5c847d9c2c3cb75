"""Whole training steps: forget the gradients, forward, cross-entropy, backward, update by Adam.

    python -m benchmarks.training_steps [--rounds 7] [--only NAME] [--compile]

Ours is written as any user would write it. PyTorch runs in both of its memory formats, with its fused Adam
and gradients set to None. Both sides start from the same weights, and before anything is timed their losses
are compared, so that nobody measures different things.
"""

import argparse

import tinynet as tn
from benchmarks.comparison import Comparison, DisagreementError, chosen, measure, show
from benchmarks.networks import NETWORKS
from benchmarks.place import least_tolerance, ours
from benchmarks.pytorch import memory_formats, require_compiler, torch
from tinynet import functional as F
from tinynet import optim

__all__ = ["checked", "comparisons", "run_networks_alone", "step_in_pytorch", "step_in_tinynet"]

LEARNING_RATE = 1e-4

FIRST_LOSS_TOLERANCE = 1e-4  # relative; the same weights, the same batch

# The second loss shows that gradients and update agree too, as far as they can: Adam's first step is the
# gradient's sign, so that rounding decides about gradients that are almost zero.
SECOND_LOSS_TOLERANCE = 5e-3


def step_in_tinynet(network, captured=False):
    """The model, and a function that trains it by one step, perhaps `captured`, and returns the loss."""
    model = network.in_tinynet()
    images, labels = map(ours, network.batch())
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def step(images, labels):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    run = tn.CapturedStep(step, model) if captured else step
    return model, lambda: run(images, labels)


def step_in_pytorch(network, memory_format, compiled=False, mode=None):
    """As `step_in_tinynet`, from the same weights, in one of PyTorch's memory formats.

    `compiled` is whether torch.compile takes part, `mode` its mode.
    """
    model = network.in_pytorch(network.in_tinynet(), memory_format)
    images, labels = network.batch_in_pytorch(memory_format)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    run = torch.compile(model, mode=mode) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def comparisons(compiled=False):
    """One comparison per network; with `compiled`, PyTorch's compiler takes part as well."""
    return [
        Comparison(name, "training steps", lambda network=network: _candidates(network, compiled))
        for name, network in NETWORKS.items()
    ]


def _candidates(network, compiled):
    steps = {"tinynet": step_in_tinynet(network)}
    for name, memory_format in memory_formats().items():
        steps[name] = step_in_pytorch(network, memory_format)
        if compiled:
            steps[f"{name}, compiled"] = step_in_pytorch(network, memory_format, compiled=True)
    return checked(steps)


def checked(steps):
    """The functions of `steps`, pairs of a model and a function, after the first losses were compared."""
    _check_losses({name: _first_losses(*candidate) for name, candidate in steps.items()})
    return {name: step for name, (_, step) in steps.items()}


def _first_losses(model, step):
    """The losses of the first two steps, taken without dropout, whose random numbers differ."""
    dropouts = [module for module in model.modules() if type(module).__name__ == "Dropout"]
    for dropout in dropouts:
        dropout.eval()
    losses = [step().item() for _ in range(2)]
    for dropout in dropouts:
        dropout.train()
    return losses


def _check_losses(losses):
    own = losses["tinynet"]
    for name, theirs in losses.items():
        for number, tolerance in enumerate((FIRST_LOSS_TOLERANCE, SECOND_LOSS_TOLERANCE)):
            tolerance = max(tolerance, (1 + 4 * number) * least_tolerance())
            if not abs(own[number] - theirs[number]) <= tolerance * abs(theirs[number]):
                raise DisagreementError(
                    f"the loss of step {number + 1} is {own[number]} in tinynet but "
                    f"{theirs[number]} in {name}"
                )


def run_networks_alone(description, comparisons):
    """The command line of a module: measures what its function ``comparisons(compiled)`` gives."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="how many turns of each are timed")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="only networks with this in their name"
    )
    parser.add_argument(
        "--compile", action="store_true", help="have torch.compile take part (needs a compiler)"
    )
    options = parser.parse_args()
    if options.compile:
        require_compiler()
    show(measure(chosen(comparisons(options.compile), options.only), options.rounds))


if __name__ == "__main__":
    run_networks_alone(__doc__, comparisons)
