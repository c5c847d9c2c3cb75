"""Inference: a batch forward through the networks of the training steps, nothing recorded.

    python -m benchmarks.inference [--rounds 7] [--only NAME] [--compile]

Ours is written as any user would write it. PyTorch runs in both of its memory formats and in its inference
mode. The outputs are compared before anything is timed.
"""

import tinynet as tn
from benchmarks.comparison import OURS, Comparison, check_agreement
from benchmarks.networks import NETWORKS
from benchmarks.place import as_numpy, ours
from benchmarks.pytorch import memory_formats, torch
from benchmarks.training_steps import run_networks_alone

__all__ = ["comparisons", "inference_in_pytorch", "inference_in_tinynet"]

TOLERANCE = 1e-4  # relative


def inference_in_tinynet(network):
    """A function that returns the outputs (N, classes) for the network's batch."""
    model = network.in_tinynet().eval()
    images = ours(network.batch()[0])

    def infer():
        with tn.no_grad():
            return model(images)

    return infer


def inference_in_pytorch(network, memory_format, compiled=False):
    """As `inference_in_tinynet`, from the same weights, in one of PyTorch's memory formats."""
    model = network.in_pytorch(network.in_tinynet(), memory_format).eval()
    images, _ = network.batch_in_pytorch(memory_format)
    run = torch.compile(model) if compiled else model

    def infer():
        with torch.inference_mode():
            return run(images)

    return infer


def comparisons(compiled=False):
    """One comparison per network; with `compiled`, PyTorch's compiler takes part as well."""
    return [
        Comparison(name, "inference", lambda network=network: _candidates(network, compiled))
        for name, network in NETWORKS.items()
    ]


def _candidates(network, compiled):
    functions = {OURS: inference_in_tinynet(network)}
    for name, memory_format in memory_formats().items():
        functions[name] = inference_in_pytorch(network, memory_format)
        if compiled:
            functions[f"{name}, compiled"] = inference_in_pytorch(network, memory_format, compiled=True)
    check_agreement({name: as_numpy(function()) for name, function in functions.items()}, TOLERANCE)
    return functions


if __name__ == "__main__":
    run_networks_alone(__doc__, comparisons)
