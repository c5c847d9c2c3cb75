"""The matrices of Winograd's convolution, derived, and the vector code that multiplies tiles by them.

In one dimension, m neighbouring outputs of a filter g of r numbers see m + r - 1 inputs d. The m * r
products of the definition are more than needed. Turn the question round: the *product of polynomials*
with m and with r coefficients has m + r - 1 coefficients, and is determined by its values at as many points.
So it takes three steps: evaluate both polynomials at these points, multiply value by value (only m + r - 1
products), and interpolate. As matrices, with V the evaluations and C the interpolation::

    product = C @ ((Vr @ g) * (Vm @ a))

The product is linear in a, and the transpose of "multiply the polynomial a by g" is "slide g along d"
(each output is a sum of inputs that g once spread out). Transposing the line above gives the algorithm
F(m, r), whose outputs are ::

    y = Vm.T @ ((Vr @ g) * (C.T @ d))                    in two dimensions   Y = A.T @ (U * (B.T @ D @ B)) @ A
        A.T       G          B.T                                             U = G @ g @ G.T

The points are 0, 1, -1, then 2 and -2 if m + r - 1 = 6, and "infinity", where the value of a polynomial is
its leading coefficient: small numbers, because their powers enter, and with them the rounding errors.
Interpolation (Lagrange) at a point p needs the polynomial that vanishes at all other points,
``prod (x - q)``, divided by its value at p. B.T has the coefficients of these polynomials, and the
division is left to G, which is used less often; then B.T and A.T have whole numbers only. B.T is the same
for all algorithms with as many points.

Y is linear in D and in g, so that their gradients are transposed maps, in which every matrix is transposed:
that of the weight slides gy, m × m, along D, and has r × r outputs, which makes it F(r, m) with A.T and G
exchanging their roles; that of the input is ``B @ (U * (A @ gy @ A.T)) @ B.T``, what a tile adds to the
gradient of the pixels that it sees.

Sources: Winograd, Arithmetic Complexity of Computations (1980); Lavin & Gray, Fast Algorithms for
Convolutional Neural Networks (2016), section 4.
"""

from fractions import Fraction
from functools import cache
from math import prod
from typing import NamedTuple

from tinynet_kernels.simd.transforms import make_transform

__all__ = [
    "ALGORITHMS",
    "Instructions",
    "instructions",
    "matrices",
    "transform_input",
    "transform_input_gradient",
    "transform_output",
    "transform_output_gradient",
    "transform_weight",
    "transform_weight_gradient",
]

ALGORITHMS = ((2, 3), (4, 3), (3, 4), (2, 5), (5, 2))  # the m and r of F(m × m, r × r)

_FINITE_POINTS = {4: (0, 1, -1), 6: (0, 1, -1, 2, -2)}


def matrices(tile, taps):
    """B.T (n, n), G (n, r) and A.T (m, n) of F(m, r), where m, r = `tile`, `taps` and n = m + r - 1.

    Returns:
        Three tuples of rows of exact fractions.
    """
    points = _FINITE_POINTS[tile + taps - 1]
    input_rows, weight_rows, output_columns = [], [], []
    for p in points:
        others = [q for q in points if q != p]
        input_rows.append((*_polynomial(others), Fraction(0)))
        scale = prod(p - q for q in others)
        weight_rows.append(tuple(Fraction(p**k, scale) for k in range(taps)))
        output_columns.append(tuple(Fraction(p**k) for k in range(tile)))
    input_rows.append(_polynomial(points))
    weight_rows.append(_leading(taps))
    output_columns.append(_leading(tile))
    return tuple(input_rows), tuple(weight_rows), _transposed(output_columns)


def _polynomial(roots):
    """The coefficients of ``prod (x - q)`` over the roots q, the constant one first."""
    coefficients = [Fraction(1)]
    for q in roots:
        shifted, scaled = [Fraction(0), *coefficients], [q * c for c in coefficients] + [Fraction(0)]
        coefficients = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return tuple(coefficients)


def _leading(length):
    return (*[Fraction(0)] * (length - 1), Fraction(1))


def _transposed(rows):
    return tuple(zip(*rows, strict=True))


def _product(left, right):
    columns = _transposed(right)
    return tuple(tuple(sum(a * b for a, b in zip(row, c, strict=True)) for c in columns) for row in left)


def _even_and_odd(size, half):
    """The matrix that takes the values (even, odd) of each pair of points ±p to even ± odd, times `half`.

    The points' rows in `matrices` are those of p and -p, at 1 and 2, and at 3 and 4: they differ in the
    signs of the odd powers only.
    """
    rows = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    for p in range(1, size - 1, 2):
        rows[p][p : p + 2] = half, half
        rows[p + 1][p : p + 2] = half, -half
    return tuple(map(tuple, rows))


def _factors(size, matrix, has_points_as_rows):
    """Two factors of a matrix whose rows or columns belong to `size` points, the first to apply first.

    For a pair of points ±p, the even and the odd part are computed once and used in both. This takes
    about half of the instructions of the plain matrix.
    """
    join, split = _even_and_odd(size, Fraction(1)), _even_and_odd(size, Fraction(1, 2))
    return (_product(split, matrix), join) if has_points_as_rows else (join, _product(matrix, split))


_CHOICES = {
    "input": lambda input, weight, output: (input, True),
    "weight": lambda input, weight, output: (weight, True),
    "output": lambda input, weight, output: (output, False),
    "input_gradient": lambda input, weight, output: (_transposed(input), False),
    "output_gradient": lambda input, weight, output: (_transposed(output), True),
    "weight_gradient": lambda input, weight, output: (_transposed(weight), False),
}


def _factors_of(name):
    return {(m, r): _factors(m + r - 1, *_CHOICES[name](*matrices(m, r))) for m, r in ALGORITHMS}


transform_input = make_transform(_factors_of("input"))
transform_weight = make_transform(_factors_of("weight"))
transform_output = make_transform(_factors_of("output"), has_epilogue=True)
transform_input_gradient = make_transform(_factors_of("input_gradient"), is_adding=True)
transform_output_gradient = make_transform(_factors_of("output_gradient"))
transform_weight_gradient = make_transform(_factors_of("weight_gradient"))


class Instructions(NamedTuple):
    """The instructions, loads and stores included, that each transform takes for a vector of channels."""

    input: int
    weight: int
    output: int
    input_gradient: int
    output_gradient: int
    weight_gradient: int


@cache
def instructions(tile, taps):
    """The `Instructions` of the transforms of F(tile × tile, taps × taps)."""
    counts = {name: _count(_factors_of(name)[tile, taps]) for name in Instructions._fields}
    cells = (tile + taps - 1) ** 2
    counts["input_gradient"] += 2 * cells  # it also loads what it adds to, and adds
    return Instructions(**counts)


def _count(factors):
    size, results = len(factors[0][0]), len(factors[-1])
    terms = [sum(factor != 0 for factor in row) for matrix in factors for row in matrix]
    arithmetic = sum(max(0, count - 1) for count in terms)
    return (size + results) * arithmetic + size**2 + results**2
