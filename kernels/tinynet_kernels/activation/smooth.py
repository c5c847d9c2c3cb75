"""The smooth activation functions on the CPU: one pass over memory each, exponentials as vector code.

A loop becomes vector code only if everything that it calls is compiled into it. What LLVM would find too
long for that is marked ``inline="always"``.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.memory import empty
from tinynet_kernels.simd.exponential import exponential
from tinynet_kernels.simd.memory import element_bytes
from tinynet_kernels.simd.parts import part

__all__ = ["gelu", "gelu_backward", "sigmoid", "sigmoid_backward", "silu", "silu_backward"]

_ALONE = 16384  # elements: with fewer, waking another thread takes longer than it helps
_BLOCK = 8192


def sigmoid(x):
    return _elementwise(_sigmoid, x)


def sigmoid_backward(gy, y):
    return _elementwise(_sigmoid_backward, gy, y)


def silu(x):
    return _elementwise(_silu, x)


def silu_backward(gy, x):
    return _elementwise(_silu_backward, gy, x)


def gelu(x):
    return _elementwise(_gelu, x)


def gelu_backward(gy, x):
    return _elementwise(_gelu_backward, gy, x)


def _elementwise(kernel, *arrays):
    result = empty(arrays[0].shape, arrays[0].dtype)
    kernel(*[np.ascontiguousarray(array).reshape(-1) for array in arrays], result.reshape(-1))
    return result


@kernel
def _sigmoid(x, y):
    if x.size < _ALONE:
        _sigmoid_block(x, y)
        return
    for block in prange((x.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _sigmoid_block(part(x, i, j), part(y, i, j))


@inner
def _sigmoid_block(x, y):
    for i in range(x.size):
        y[i] = _gate(x[i])


@inner
def _gate(x):
    """1 / (1 + exp(-x)), with the exponential of a number that is not above 0."""
    one = type(x)(1)
    decay = exponential(x if x < 0 else -x)
    return (decay if x < 0 else one) / (one + decay)


@kernel
def _sigmoid_backward(gy, y, gx):
    if y.size < _ALONE:
        _sigmoid_backward_block(gy, y, gx)
        return
    for block in prange((y.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _sigmoid_backward_block(part(gy, i, j), part(y, i, j), part(gx, i, j))


@inner
def _sigmoid_backward_block(gy, y, gx):
    one = y.dtype.type(1)
    for i in range(y.size):
        gx[i] = gy[i] * (y[i] * (one - y[i]))


@kernel
def _silu(x, y):
    if x.size < _ALONE:
        _silu_block(x, y)
        return
    for block in prange((x.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _silu_block(part(x, i, j), part(y, i, j))


@inner
def _silu_block(x, y):
    for i in range(x.size):
        y[i] = x[i] * _gate(x[i])


@kernel
def _silu_backward(gy, x, gx):
    if x.size < _ALONE:
        _silu_backward_block(gy, x, gx)
        return
    for block in prange((x.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _silu_backward_block(part(gy, i, j), part(x, i, j), part(gx, i, j))


@inner
def _silu_backward_block(gy, x, gx):
    one = x.dtype.type(1)
    for i in range(x.size):
        gate = _gate(x[i])
        gx[i] = gy[i] * (gate * (one + x[i] * (one - gate)))


@kernel
def _gelu(x, y):
    if x.size < _ALONE:
        _gelu_block(x, y)
        return
    for block in prange((x.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _gelu_block(part(x, i, j), part(y, i, j))


@inner
def _gelu_block(x, y):
    for i in range(x.size):
        below, _ = _normal_distribution(x[i])
        y[i] = x[i] * below


@kernel
def _gelu_backward(gy, x, gx):
    if x.size < _ALONE:
        _gelu_backward_block(gy, x, gx)
        return
    for block in prange((x.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _gelu_backward_block(part(gy, i, j), part(x, i, j), part(gx, i, j))


@inner
def _gelu_backward_block(gy, x, gx):
    number = x.dtype.type
    for i in range(x.size):
        below, decay = _normal_distribution(x[i])
        # Out here the density is 0; an infinite x times 0 would be NaN.
        near = number(40) if x[i] > number(40) else x[i]
        near = number(-40) if near < number(-40) else near
        gx[i] = gy[i] * (below + near * (decay * number(0.3989422804014327)))


@inner(inline="always")
def _normal_distribution(x):
    """The distribution function Φ of the standard normal distribution, and exp(-x² / 2).

    Φ(x) = (1 + erf(x / √2)) / 2, with W. J. Cody's quotients for three ranges of the error function (Rational
    Chebyshev Approximations for the Error Function, 1969). Instead of choosing between three ways to go
    on, which vector code cannot, all numerators and denominators are computed, and one pair divided.
    """
    number = type(x)
    z = x * number(0.7071067811865476)
    size = -z if z < 0 else z
    size = number(28) if size > number(28) else size  # where exp(-size²) is 0; NaN stays
    square = size * size
    decay = exponential(-square)
    above_near, below_near = _near(square)
    above_middle, below_middle = _middle(size)
    above_far, below_far = _far(size, square)
    is_near = size <= number(0.46875)
    # For float32 the middle range is exact enough all the way; the comparison is made when it is compiled.
    is_far = element_bytes(x) == 8 and size > number(4)
    above = above_far if is_far else above_middle
    below = below_far if is_far else below_middle
    above = z * above_near if is_near else above * decay
    share = number(0.5) * above / (below_near if is_near else below)
    inside, beyond = number(0.5) + share, number(1) - share
    outside = share if z < 0 else beyond
    return inside if is_near else outside, decay


@inner(inline="always")
def _near(s):
    """erf(z) / z as a quotient, in s = z²."""
    f = type(s)
    above = f(1.85777706184603153e-1) * s + f(3.16112374387056560)
    above = above * s + f(1.13864154151050156e2)
    above = above * s + f(3.77485237685302021e2)
    above = above * s + f(3.20937758913846947e3)
    below = s + f(2.36012909523441209e1)
    below = below * s + f(2.44024637934444173e2)
    below = below * s + f(1.28261652607737228e3)
    return above, below * s + f(2.84423683343917062e3)


@inner(inline="always")
def _middle(z):
    """exp(z²) * erfc(z) as a quotient."""
    f = type(z)
    above = f(2.15311535474403846e-8) * z + f(5.64188496988670089e-1)
    above = above * z + f(8.88314979438837594)
    above = above * z + f(6.61191906371416295e1)
    above = above * z + f(2.98635138197400131e2)
    above = above * z + f(8.81952221241769090e2)
    above = above * z + f(1.71204761263407058e3)
    above = above * z + f(2.05107837782607147e3)
    above = above * z + f(1.23033935479799725e3)
    below = z + f(1.57449261107098347e1)
    below = below * z + f(1.17693950891312499e2)
    below = below * z + f(5.37181101862009858e2)
    below = below * z + f(1.62138957456669019e3)
    below = below * z + f(3.29079923573345963e3)
    below = below * z + f(4.36261909014324716e3)
    below = below * z + f(3.43936767414372164e3)
    return above, below * z + f(1.23033935480374942e3)


@inner(inline="always")
def _far(z, s):
    """exp(z²) * erfc(z) = (1/√π - P(1/s) / (s Q(1/s))) / z as one quotient, in z and s = z²."""
    f = type(z)
    above = f(6.58749161529837803e-4) * s + f(1.60837851487422766e-2)
    above = above * s + f(1.25781726111229246e-1)
    above = above * s + f(3.60344899949804439e-1)
    above = above * s + f(3.05326634961232344e-1)
    above = above * s + f(1.63153871373020978e-2)
    below = f(2.33520497626869185e-3) * s + f(6.05183413124413191e-2)
    below = below * s + f(5.27905102951428412e-1)
    below = below * s + f(1.87295284992346725)
    below = below * s + f(2.56852019228982242)
    below = (below * s + f(1)) * s
    return below * f(0.5641895835477563) - above, below * z
