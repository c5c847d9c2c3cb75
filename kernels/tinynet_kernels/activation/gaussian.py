"""GELU on the CPU: one pass over memory each way, with the normal distribution as vector code."""

from tinynet_kernels.activation.elementwise import calculate
from tinynet_kernels.blocks import block
from tinynet_kernels.compile import inner
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.polynomial import make_polynomial

__all__ = ["gelu", "gelu_backward"]

_ALONE = 8192  # elements


def gelu(x):
    return calculate(_gelu, x, alone=_ALONE)


def gelu_backward(gy, x):
    return calculate(_gelu_backward, gy, x, alone=_ALONE)


@inner
def _gelu(zero, arguments, index):
    x, y = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    for i in range(x.size):
        below, _ = _normal_distribution(x[i])
        y[i] = x[i] * below


@inner
def _gelu_backward(zero, arguments, index):
    gy, x = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    gx, number = block(zero, arguments, index, 2), type(zero)
    for i in range(x.size):
        below, decay = _normal_distribution(x[i])
        # Out here the density is 0; an infinite x times 0 would be NaN.
        near = number(40) if x[i] > number(40) else x[i]
        near = number(-40) if near < number(-40) else near
        gx[i] = gy[i] * (below + near * (decay * number(0.3989422804014327)))


@inner(inline="always")
def _normal_distribution(x):
    """The distribution function Φ of the standard normal distribution, and exp(-x² / 2).

    Φ(x) = erfc(-x / √2) / 2, in which erfc(z) = exp(-z²) · q(z) for z ≥ 0.
    """
    if element_bytes(x) == 4:
        return _normal_distribution_32(x)
    return _normal_distribution_64(x)


@inner(inline="always")
def _normal_distribution_32(x):
    """q(z) / 2 is t times a polynomial in t = 1 / (1 + 0.3 z), as in formula 7.1.26 of Abramowitz & Stegun,
    Handbook of Mathematical Functions (1964). Here the relative error is at most 2e-8 for z up to 10.
    """
    number = type(x)
    size = -x if x < 0 else x
    size = number(20) if size > number(20) else size  # where exp(-size² / 2) is 0; NaN stays
    decay = exponential(size * size * number(-0.5))
    t = number(1) / (number(1) + size * number(0.3 * 0.7071067811865476))
    share = t * _complement_32(t) * decay
    return (share if x < 0 else number(1) - share), decay


_complement_32 = make_polynomial(
    -6.476140015e-2,
    2.427813618e-1,
    -2.561385672e-1,
    2.738595028e-1,
    -4.732503786e-2,
    1.074629053e-1,
    7.416961231e-2,
    8.535761044e-2,
    8.459400273e-2,
)


@inner(inline="always")
def _normal_distribution_64(x):
    """W. J. Cody's quotients for three ranges of the error function (Rational Chebyshev Approximations for
    the Error Function, 1969). Instead of choosing between three ways to go on, which vector code cannot, all
    numerators and denominators are computed, and one pair divided.
    """
    number = type(x)
    z = x * number(0.7071067811865476)
    size = -z if z < 0 else z
    size = number(28) if size > number(28) else size  # where exp(-size²) is 0; NaN stays
    square = size * size
    decay = exponential(-square)
    # 1/√π - P(1/s) / (s Q(1/s)), over z, as one quotient
    s_times_q = _far_below(square) * square
    above_far, below_far = s_times_q * number(0.5641895835477563) - _far_above(square), s_times_q * size
    is_near, is_far = size <= number(0.46875), size > number(4)
    above = above_far if is_far else _middle_above(size)
    below = below_far if is_far else _middle_below(size)
    above = z * _near_above(square) if is_near else above * decay
    share = number(0.5) * above / (_near_below(square) if is_near else below)
    inside, beyond = number(0.5) + share, number(1) - share
    outside = share if z < 0 else beyond
    return (inside if is_near else outside), decay


# erf(z) / z in z²
_near_above = make_polynomial(
    1.85777706184603153e-1,
    3.16112374387056560,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_near_below = make_polynomial(
    1,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)

# exp(z²) · erfc(z) in z
_middle_above = make_polynomial(
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_middle_below = make_polynomial(
    1,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)

# P and Q, both times a power of z²
_far_above = make_polynomial(
    6.58749161529837803e-4,
    1.60837851487422766e-2,
    1.25781726111229246e-1,
    3.60344899949804439e-1,
    3.05326634961232344e-1,
    1.63153871373020978e-2,
)
_far_below = make_polynomial(
    2.33520497626869185e-3,
    6.05183413124413191e-2,
    5.27905102951428412e-1,
    1.87295284992346725,
    2.56852019228982242,
    1,
)
