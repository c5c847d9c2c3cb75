"""Functions of one number as vector code, from which activations are made.

A loop becomes vector code only if everything that it calls is compiled into it. What LLVM would find too
long for that is marked ``inline="always"``.
"""

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.polynomial import make_polynomial

__all__ = ["gate", "hyperbolic_tangent", "logarithm_of_one_plus"]


@inner(inline="always")
def gate(x):
    """1 / (1 + exp(-x)), with the exponential of a number that is not above 0."""
    one = type(x)(1)
    decay = exponential(x if x < 0 else -x)
    return (decay if x < 0 else one) / (one + decay)


@inner(inline="always")
def hyperbolic_tangent(x):
    """tanh(x): near 0 by a polynomial or quotient in x², further out by the exponential.

    Source: S. L. Moshier, Methods and Programs for Mathematical Functions (1989), the Cephes library.
    """
    number = type(x)
    size = -x if x < 0 else x
    square = x * x
    if element_bytes(x) == 4:
        bend = _tangent_32(square)
    else:
        bend = _tangent_above_64(square) / _tangent_below_64(square)
    near = x + x * (square * bend)
    far = number(1) - number(2) / (exponential(size + size) + number(1))
    far = -far if x < 0 else far
    return far if size > number(0.625) else near


_tangent_32 = make_polynomial(
    -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1
)
_tangent_above_64 = make_polynomial(
    -9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3
)
_tangent_below_64 = make_polynomial(
    1, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3
)


@inner(inline="always")
def logarithm_of_one_plus(u):
    """ln(1 + u) for u from 0 to 1, to the last digits also where u is small.

    It is 2 artanh(s) = 2 (s + s³/3 + s⁵/5 + …) with s = u / (2 + u), which is 1/3 at most.
    """
    number = type(u)
    s = u / (number(2) + u)
    square = s * s
    series = _series_32(square) if element_bytes(u) == 4 else _series_64(square)
    return number(2) * s + number(2) * s * (square * series)


def _make_series(terms):
    return make_polynomial(*[1 / (2 * k + 1) for k in range(terms, 0, -1)])


_series_32, _series_64 = _make_series(7), _make_series(16)
