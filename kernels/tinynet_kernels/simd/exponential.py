"""The exponential function as vector code.

``exp`` of the C library takes one number at a time. This one is made of multiplications and additions,
which LLVM turns into vector instructions wherever it stands in a loop, and errs by little more than one
unit in the last place of float32, or of float64. NaN, infinity and what is too large or too small come
out as they should.

The method is S. L. Moshier's, Methods and Programs for Mathematical Functions (1989), known as the Cephes
library, and so are the coefficients: ``exp(x) = 2**n * exp(r)`` where n is the integer next to ``x / ln 2``,
so that r lies in ±ln(2) / 2. There a polynomial (float32) or a quotient of two (float64) is exact enough.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

__all__ = ["exponential", "exponential_minus_one"]

# Adding 1.5 * 2**23 (1.5 * 2**52) to a number leaves no bits for a fraction: the sum is rounded to an
# integer, which its last bits hold.
_TO_INTEGER = {types.float32: 12582912.0, types.float64: 6755399441055744.0}
_BIAS = {types.float32: 127, types.float64: 1023}
_MANTISSA_BITS = {types.float32: 23, types.float64: 52}


_OPTIONS: Any = {"error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}


def exponential(x):
    """exp(x) of a float32 or float64, in compiled code only."""
    raise NotImplementedError("exponential is for functions that Numba compiles")


def exponential_minus_one(x):
    """exp(x) - 1 of a float32 or float64, to the last digits also near 0, in compiled code only."""
    raise NotImplementedError("exponential_minus_one is for functions that Numba compiles")


@overload(exponential, jit_options=_OPTIONS)
def _choose_exponential(x):
    return {types.float32: _exponential_32, types.float64: _exponential_64}.get(x)


@overload(exponential_minus_one, jit_options=_OPTIONS)
def _choose_exponential_minus_one(x):
    return {types.float32: _minus_one_32, types.float64: _minus_one_64}.get(x)


def _exponential_32(x):
    excess, rounded = _reduced_32(x)
    return _times_power_of_two(excess + np.float32(1), rounded)


def _minus_one_32(x):
    excess, rounded = _reduced_32(x)
    whole = _times_power_of_two(excess + np.float32(1), rounded) - np.float32(1)
    return excess if rounded == np.float32(12582912) else whole


@register_jitable(**_OPTIONS)
def _reduced_32(x):
    """exp(r) - 1, and a number with n in its last bits."""
    # Beyond these the result is 0 or infinite; within, n is small enough for what follows.
    x = np.float32(-104) if x < np.float32(-104) else x
    x = np.float32(89) if x > np.float32(89) else x
    rounded = x * np.float32(1.4426950408889634) + np.float32(12582912)
    n = rounded - np.float32(12582912)
    # ln 2 in two parts: the product of n with the first one is exact.
    r = (x - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    return p * (r * r) + r, rounded


def _exponential_64(x):
    excess, rounded = _reduced_64(x)
    return _times_power_of_two(1.0 + excess, rounded)


def _minus_one_64(x):
    excess, rounded = _reduced_64(x)
    return excess if rounded == 6755399441055744.0 else _times_power_of_two(1.0 + excess, rounded) - 1.0


@register_jitable(**_OPTIONS)
def _reduced_64(x):
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    rounded = x * 1.4426950408889634 + 6755399441055744.0
    n = rounded - 6755399441055744.0
    r = (x - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6
    s = r * r
    p = r * ((1.26177193074810590878e-4 * s + 3.02994407707441961300e-2) * s + 9.99999999999999999910e-1)
    q = (3.00198505138664455042e-6 * s + 2.52448340349684104192e-3) * s + 2.27265548208155028766e-1
    return 2.0 * (p / ((q * s + 2.0) - p)), rounded


@intrinsic
def _times_power_of_two(typing_context, x, rounded):
    """x * 2**n with the n in the last bits of `rounded`: in two steps, since 2**n may be out of range."""

    def generate(context, builder, signature, arguments):
        number = signature.args[0]
        integer = ir.IntType(number.bitwidth)
        floating = context.get_value_type(number)
        x, rounded = arguments
        offset = builder.bitcast(ir.Constant(floating, _TO_INTEGER[number]), integer)
        n = builder.sub(builder.bitcast(rounded, integer), offset)
        half = builder.ashr(n, integer(1))
        for exponent in (half, builder.sub(n, half)):
            biased = builder.add(exponent, integer(_BIAS[number]))
            power = builder.bitcast(builder.shl(biased, integer(_MANTISSA_BITS[number])), floating)
            x = builder.fmul(x, power)
        return x

    return x(x, x), generate
