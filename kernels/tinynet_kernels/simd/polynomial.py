"""Polynomials with fixed coefficients, as code that LLVM turns into vector instructions."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["make_polynomial"]

_MAY_FUSE = ("contract",)


def make_polynomial(*coefficients):
    """A function for Numba code that evaluates a polynomial in a float32 or float64, by Horner's rule.

    The first coefficient is that of the highest power.
    """

    @intrinsic
    def polynomial(typing_context, x):
        if x not in (types.float32, types.float64):
            return None

        def generate(context, builder, signature, arguments):
            number = context.get_value_type(signature.args[0])
            value, *others = [ir.Constant(number, coefficient) for coefficient in coefficients]
            for coefficient in others:
                product = builder.fmul(value, arguments[0], flags=_MAY_FUSE)
                value = builder.fadd(product, coefficient, flags=_MAY_FUSE)
            return value

        return x(x), generate

    return polynomial
