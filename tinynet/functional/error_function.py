"""The error function of an array.

W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23,
1969: three ranges of |x|, each with a quotient of polynomials, to the last digits of float64.
"""

import math

from tinynet.backend import array_module

__all__: list[str] = []

# Coefficients of the highest power first.
_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def erf_of_array(x):
    """erf(x) elementwise for a floating-point NumPy or CuPy array, in its dtype."""
    xp = array_module(x)
    if xp.__name__ == "cupy":
        from cupyx.scipy.special import erf

        return erf(x)
    # Beyond 6 the result is 1 to the last digit; squares of huge numbers would overflow.
    size = xp.minimum(xp.abs(x), 6.0)
    near = size <= 0.46875
    if near.all():
        return _near(x)
    rest = 1.0 - _complement(xp, xp.maximum(size, 0.46875))
    return xp.where(near, _near(xp.where(near, x, 0.0)), xp.copysign(rest, x)).astype(x.dtype, copy=False)


def _near(x):
    """erf for |x| ≤ 0.46875."""
    return x * _quotient(x * x, *_NEAR)


def _complement(xp, size):
    """erfc = 1 − erf for sizes from 0.46875 to 6."""
    decay = xp.exp(-size * size)
    complement = _quotient(size, *_MIDDLE) * decay
    far = size > 4
    if far.any():
        size = xp.maximum(size, 4.0)
        inverse = 1 / (size * size)
        tail = (1 / math.sqrt(math.pi) - inverse * _quotient(inverse, *_FAR)) / size
        complement = xp.where(far, tail * decay, complement)
    return complement


def _quotient(x, above, below):
    return _polynomial(x, above) / _polynomial(x, below)


def _polynomial(x, coefficients):
    """Horner's scheme, the highest power first."""
    first, *others = coefficients
    value = x * first + others[0]
    for coefficient in others[1:]:
        value = value * x + coefficient
    return value
