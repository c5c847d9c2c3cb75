"""Whether our kernels and NumPy's matrix product, which has threads of its own, get into each other's way.

    python -m benchmarks.blas_interplay

Both are timed alone, many calls in a row, and then in alternation. Without interference alternating takes
as long as the sum of both. Prints JSON; run it in a fresh process, so that no other threads exist.
"""

import json

import numpy as np

from benchmarks.timing import interleaved
from tinynet_kernels import conv, matmul, pool

__all__ = ["measure_interplay"]

ROUNDS = 9
LEAST_SECONDS = 0.05

SIDE = 512  # of NumPy's matrices: about a millisecond


def _kernels():
    """Kernels of ours, from microseconds to milliseconds: functions without arguments."""
    generator = np.random.default_rng(0)

    def numbers(*shape):
        return generator.standard_normal(shape, dtype=np.float32)

    images, window = numbers(8, 28, 28, 32), ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
    large_images, weight = numbers(16, 28, 28, 64), numbers(3, 3, 64, 64)
    geometry = (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    a, b = numbers(512, 512), numbers(512, 512)
    return {
        "max pooling": lambda: pool.max_forward(images, *window),
        "convolution": lambda: conv.forward(large_images, weight, *geometry),
        "our own product": lambda: matmul.product(a, b),
    }


def measure_interplay():
    """For each kernel its seconds alone, NumPy's product alone, both in alternation, and what is lost.

    Returns:
        A dictionary by kernel. ``lost`` is by how much alternating takes longer than the sum, as a fraction.
    """
    generator = np.random.default_rng(1)
    left, right = (generator.standard_normal((SIDE, SIDE), dtype=np.float32) for _ in range(2))
    results = {}
    for name, kernel in _kernels().items():
        functions = {
            "kernel": kernel,
            "numpy": lambda: left @ right,
            "alternating": lambda kernel=kernel: (kernel(), left @ right),
        }
        timings = interleaved(functions, ROUNDS, least_seconds=LEAST_SECONDS)
        seconds = {key: timing.median for key, timing in timings.items()}
        lost = seconds["alternating"] / (seconds["kernel"] + seconds["numpy"]) - 1
        results[name] = {**seconds, "lost": lost}
    return results


if __name__ == "__main__":
    print(json.dumps(measure_interplay()))
