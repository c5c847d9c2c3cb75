"""What the machine can do at most: multiply-adds, and bytes to and from memory.

    python -m benchmarks.machine

Measured by our own kernels, in the same run as everything that is compared with it.
"""

from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

import numpy as np
from numba import get_num_threads, prange, set_num_threads

from tinynet_kernels.compile import kernel
from tinynet_kernels.simd.tile import make_tile
from tinynet_kernels.simd.vectors import TALLEST, VECTORS, WIDTH_BYTES

__all__ = ["Peaks", "best_of", "measure_peaks", "show_peaks"]

STEPS = 20_000  # multiply-adds of each sum in a task: about a millisecond
TASKS_PER_THREAD = 16
ARRAY_BYTES = 128 << 20  # two such arrays are several times the largest caches
ROUNDS = 9

_tile = make_tile(TALLEST, VECTORS, masked=False)


@dataclass(frozen=True)
class Peaks:
    """The medians of several measurements.

    Attributes:
        flops: by number of threads, float32 additions and multiplications per second.
        bandwidth: bytes per second that all threads together read and write in ``a += scale * b``, which
            is STREAM's triad with one array less: every line that is written has been read before, so that
            no traffic goes uncounted.
        threads: how many threads the kernels use.
    """

    flops: dict
    bandwidth: float
    threads: int


@kernel
def _multiply_add(a, b, c, tasks, steps):
    """Register tiles whose operands stay where they are: strides of 0 read the same entries again."""
    zero = c.dtype.type(0)
    for task in prange(tasks):
        own_c = c[task].ctypes.data
        _tile(zero, a.ctypes.data, a.itemsize, 0, b.ctypes.data, 0, steps, 1, 0, 0, own_c, WIDTH_BYTES, 0, 0)


@kernel
def _add_scaled(a, b, scale):
    """a += scale * b, cut into blocks of one page's numbers."""
    length = 1024
    for block in prange(a.size // length):
        own_a = a[block * length : (block + 1) * length]
        own_b = b[block * length : (block + 1) * length]
        for i in range(length):
            own_a[i] += scale * own_b[i]


def _flops(threads):
    tasks = TASKS_PER_THREAD * threads
    columns = WIDTH_BYTES // 4
    a, b = np.ones(TALLEST, np.float32), np.ones(columns, np.float32)
    c = np.zeros((tasks, TALLEST, columns), np.float32)
    operations = 2 * tasks * TALLEST * columns * STEPS
    before = get_num_threads()
    set_num_threads(threads)
    try:
        return operations / _median_seconds(lambda: _multiply_add(a, b, c, tasks, STEPS))
    finally:
        set_num_threads(before)


def _bandwidth():
    a, b = (np.full(ARRAY_BYTES // 4, value, np.float32) for value in (1, 2))
    return 3 * ARRAY_BYTES / _median_seconds(lambda: _add_scaled(a, b, np.float32(3)))


def _median_seconds(function):
    function()
    seconds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        function()
        seconds.append(perf_counter() - start)
    return median(seconds)


def measure_peaks():
    """Measures the `Peaks` of this machine, in about a second after compilation."""
    threads = get_num_threads()
    flops = {count: _flops(count) for count in sorted({1, threads})}
    return Peaks(flops, _bandwidth(), threads)


def best_of(first, second):
    """The higher of two measurements, rate by rate: a machine that others use is not always at its best."""
    flops = {threads: max(rate, second.flops[threads]) for threads, rate in first.flops.items()}
    return Peaks(flops, max(first.bandwidth, second.bandwidth), first.threads)


def show_peaks(peaks):
    """Prints the `Peaks`, given as a dictionary, in one line."""
    rates = {f"{count} thread{'s'[: count > 1]}": rate for count, rate in peaks["flops"].items()}
    flops = ", ".join(f"{rate / 1e9:.0f} GFLOP/s on {threads}" for threads, rate in rates.items())
    print(f"this machine: {flops}, {peaks['bandwidth'] / 1e9:.1f} GB/s")


if __name__ == "__main__":
    show_peaks(asdict(measure_peaks()))
