"""What one operation of the graph costs: chains of small operations, ours against PyTorch eager.

    python -m benchmarks.overhead [--rounds 40] [--json benchmarks/results/overhead.json]

The arrays are so small that the time is spent on the graph, not on arithmetic. Each figure is for one
operation's forward and backward (or forward alone, where nothing is recorded). Without PyTorch only our
own figures are printed.
"""

import argparse
from dataclasses import dataclass

import numpy as np

import tinynet as tn
from benchmarks.timing import interleaved, machine, write_json
from tinynet import functional as F

try:
    import torch
except ImportError:
    torch = None

PYTORCH_THREADS = 2


@dataclass(frozen=True)
class Chain:
    """A chain of `length` steps, each ``y = operation(y, x)`` on arrays of `shape`.

    Attributes:
        length: how many steps.
        shape: of x and y.
        operations: operations per step.
        x_is_leaf: whether x wants a gradient as well.
        recorded: whether the chain is recorded and run backward.
        ours: the step in tinynet.
        theirs: the step in PyTorch; the same where it uses operators only.
    """

    length: int
    shape: tuple
    ours: object
    theirs: object = None
    operations: int = 1
    x_is_leaf: bool = True
    recorded: bool = True

    def values(self):
        """Start and x: x keeps the numbers of the chain within bounds."""
        generator = np.random.default_rng(0)
        start = generator.standard_normal(self.shape, dtype=np.float32)
        if len(self.shape) == 2:
            x = generator.standard_normal(self.shape, dtype=np.float32) * (2 / self.shape[0]) ** 0.5
        else:
            x = 1 + generator.standard_normal(self.shape, dtype=np.float32) * 1e-3
        return start, x


def add(y, x):
    return y + x


def multiply(y, x):
    return y * x


def relu_of_matmul(y, x):
    return F.relu(y @ x)


def relu_of_matmul_in_pytorch(y, x):
    return torch.relu(y @ x)


CHAINS = {
    "1,000 additions of 10 numbers": Chain(1000, (10,), add),
    "1,000 additions of a constant": Chain(1000, (10,), add, x_is_leaf=False),
    "1,000 multiplications": Chain(1000, (10,), multiply),
    "100 times relu(matmul), 32×32": Chain(
        100, (32, 32), relu_of_matmul, relu_of_matmul_in_pytorch, operations=2
    ),
    "1,000 additions, not recorded": Chain(1000, (10,), add, recorded=False),
}


def in_tinynet(chain):
    """A function that runs the chain once in tinynet."""
    start, x = chain.values()
    gradient = tn.tensor(np.ones_like(start))
    start, x = tn.tensor(start, requires_grad=True), tn.tensor(x, requires_grad=chain.x_is_leaf)
    return _runner(chain, chain.ours, start, x, gradient, tn.no_grad)


def in_pytorch(chain):
    """A function that runs the chain once in PyTorch."""
    start, x = map(torch.tensor, chain.values())
    gradient = torch.ones_like(start)
    start.requires_grad_()
    x.requires_grad_(chain.x_is_leaf)
    return _runner(chain, chain.theirs or chain.ours, start, x, gradient, torch.no_grad)


def _runner(chain, step, start, x, gradient, no_grad):
    length = chain.length

    def forward():
        y = start
        for _ in range(length):
            y = step(y, x)
        return y

    def recorded():
        start.grad = x.grad = None
        forward().backward(gradient)

    def unrecorded():
        with no_grad():
            forward()

    return recorded if chain.recorded else unrecorded


def measure(rounds):
    """The timings of all chains, per operation, by chain and engine."""
    results = {}
    for name, chain in CHAINS.items():
        functions = {"tinynet": in_tinynet(chain)}
        if torch is not None:
            functions["pytorch"] = in_pytorch(chain)
        timings = interleaved(functions, rounds)
        operations = chain.length * chain.operations
        results[name] = {engine: timing.per(operations) for engine, timing in timings.items()}
    return results


def show(results):
    """Prints a table: microseconds per operation with their spread, and how the engines compare."""
    print(f"{'':32}{'tinynet':>18}{'PyTorch':>18}{'PyTorch / tinynet':>20}")
    for name, timings in results.items():
        row = f"{name:32}{_microseconds(timings['tinynet']):>18}"
        if "pytorch" in timings:
            ratio = timings["pytorch"].median / timings["tinynet"].median
            row += f"{_microseconds(timings['pytorch']):>18}{ratio:>20.2f}"
        print(row)
    print("µs per operation, forward and backward: median over the rounds ± half the quartile distance")
    if torch is None:
        print("PyTorch is not installed: only our own figures")


def _microseconds(timing):
    return f"{timing.median * 1e6:.2f} ± {(timing.high - timing.low) / 2 * 1e6:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=40, help="how often each chain is timed")
    parser.add_argument("--json", metavar="PATH", help="write the results to this file as well")
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(PYTORCH_THREADS)
    results = measure(options.rounds)
    show(results)
    if options.json:
        about = machine("tinynet", "numpy", "torch")
        write_json(options.json, {"machine": about, "seconds_per_operation": results})


if __name__ == "__main__":
    main()
