"""Matrix products, plain and with transposed operands, kernel against kernel.

    python -m benchmarks.products [--rounds 7] [--only NAME] [--full]

Beside PyTorch only; `benchmarks.blas_interplay` shows how ours gets on with NumPy's.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.comparison import OURS, Comparison, check_agreement, run_alone
from benchmarks.place import as_numpy, has_pytorch, ours, theirs
from tinynet_kernels import matmul

__all__ = ["Shape", "candidates", "comparisons"]

FLOAT_BYTES = 4

TOLERANCE = 1e-5  # relative


@dataclass(frozen=True)
class Shape:
    """The product of a (rows, depth) and b (depth, columns), one of which may lie transposed in memory.

    Attributes:
        is_additional: whether only the full run measures it.
    """

    rows: int
    depth: int
    columns: int
    transpose_a: bool = False
    transpose_b: bool = False
    is_additional: bool = False

    @property
    def name(self):
        a = f"{self.depth}×{self.rows}ᵀ" if self.transpose_a else f"{self.rows}×{self.depth}"
        b = f"{self.columns}×{self.depth}ᵀ" if self.transpose_b else f"{self.depth}×{self.columns}"
        return f"{a} · {b}"

    @property
    def floating_operations(self):
        return 2 * self.rows * self.depth * self.columns

    @property
    def bytes(self):
        entries = self.rows * self.depth + self.depth * self.columns + self.rows * self.columns
        return FLOAT_BYTES * entries

    def arrays(self):
        """a and b as they lie in memory."""
        generator = np.random.default_rng(0)
        a = (self.depth, self.rows) if self.transpose_a else (self.rows, self.depth)
        b = (self.columns, self.depth) if self.transpose_b else (self.depth, self.columns)
        return generator.standard_normal(a, dtype=np.float32), generator.standard_normal(b, dtype=np.float32)


SHAPES = (
    Shape(1024, 1024, 1024),
    Shape(16, 4096, 4096),
    Shape(128, 9216, 128),
    Shape(128, 128, 9216, transpose_b=True),
    Shape(9216, 128, 128, transpose_a=True),
    Shape(4096, 1024, 512),
    Shape(1024, 4096, 512, transpose_a=True),
    Shape(4096, 512, 1024, transpose_b=True),
    Shape(128, 400, 120, is_additional=True),
    Shape(128, 84, 10, is_additional=True),
    Shape(64, 64, 64, is_additional=True),
    Shape(256, 256, 256, is_additional=True),
    Shape(2048, 2048, 2048, is_additional=True),
    Shape(4096, 16, 4096, transpose_a=True, is_additional=True),
    Shape(1, 4096, 4096, is_additional=True),
)


def comparisons(full=False):
    """One comparison for each shape."""
    return [
        Comparison(
            shape.name,
            "matrix products",
            lambda shape=shape: candidates(shape),
            shape.floating_operations,
            shape.bytes,
            in_picture=not shape.is_additional,
        )
        for shape in SHAPES
        if full or not shape.is_additional
    ]


def candidates(shape):
    """Candidates for the product of a shape."""
    arrays = shape.arrays()
    a, b = (ours(array).data for array in arrays)
    functions = {OURS: lambda: matmul.product(a, b, shape.transpose_a, shape.transpose_b)}
    if has_pytorch():
        tensor_a, tensor_b = map(theirs, arrays)
        tensor_a = tensor_a.T if shape.transpose_a else tensor_a
        tensor_b = tensor_b.T if shape.transpose_b else tensor_b
        functions["PyTorch"] = lambda: tensor_a @ tensor_b
    check_agreement({name: as_numpy(run()) for name, run in functions.items()}, TOLERANCE)
    return functions


if __name__ == "__main__":
    run_alone(__doc__, comparisons)
