"""Optimiser steps on the CPU: one pass over memory, no intermediate arrays.

The factors of each formula that are the same for all parameters are worked out in float64 and rounded
to the parameters' dtype once, so that float32 arrays are updated in float32 throughout.

Every kernel cuts the arrays into blocks of a fixed size; small arrays stay with one thread. The loops over a
block are compiled into the kernels, see `simd.parts`.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import inner, kernel
from tinynet_kernels.simd.parts import part
from tinynet_kernels.strips import ALONE

_BLOCK = 8192  # elements


def sgd(
    parameters,
    gradients,
    velocity,
    learning_rate,
    momentum,
    dampening,
    nesterov,
    weight_decay,
    first_step,
):
    if not momentum:
        _descend(parameters, gradients, _rounded(parameters, (learning_rate, weight_decay)))
        return
    if first_step:
        velocity.fill(0)
    take = 1 if first_step else 1 - dampening
    # The parameters move along `of_gradient * g + of_velocity * v`.
    of_gradient, of_velocity = (1, momentum) if nesterov else (0, 1)
    factors = (learning_rate, momentum, take, of_gradient, of_velocity, weight_decay)
    _descend_with_momentum(parameters, gradients, velocity, _rounded(parameters, factors))


def adam(
    parameters,
    gradients,
    first_moment,
    second_moment,
    step,
    learning_rate,
    beta1,
    beta2,
    epsilon,
    weight_decay,
    decoupled,
):
    shrink = 1 - learning_rate * weight_decay if decoupled else 1
    added_decay = 0 if decoupled else weight_decay
    rate = learning_rate / (1 - beta1**step)
    root_scale = (1 - beta2**step) ** -0.5
    factors = (shrink, added_decay, beta1, 1 - beta1, beta2, 1 - beta2, rate, root_scale, epsilon)
    _adam(parameters, gradients, first_moment, second_moment, _rounded(parameters, factors))


def rmsprop(
    parameters,
    gradients,
    square_average,
    velocity,
    gradient_average,
    learning_rate,
    alpha,
    epsilon,
    momentum,
    weight_decay,
):
    absent = np.empty(0, parameters.dtype)
    factors = (learning_rate, alpha, 1 - alpha, epsilon, momentum, weight_decay)
    _rmsprop(
        parameters,
        gradients,
        square_average,
        velocity if momentum else absent,
        absent if gradient_average is None else gradient_average,
        bool(momentum),
        gradient_average is not None,
        _rounded(parameters, factors),
    )


def adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    factors = (learning_rate, epsilon, weight_decay)
    _adagrad(parameters, gradients, square_sum, _rounded(parameters, factors))


def _rounded(parameters, factors):
    return tuple(map(parameters.dtype.type, factors))


@kernel
def _descend(parameters, gradients, factors):
    if parameters.size < ALONE:
        _descend_block(parameters, gradients, factors)
        return
    for block in prange((parameters.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _descend_block(part(parameters, i, j), part(gradients, i, j), factors)


@inner(inline="always")
def _descend_block(parameters, gradients, factors):
    learning_rate, weight_decay = factors
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        parameters[i] -= learning_rate * gradient


@kernel
def _descend_with_momentum(parameters, gradients, velocity, factors):
    if parameters.size < ALONE:
        _momentum_block(parameters, gradients, velocity, factors)
        return
    for block in prange((parameters.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _momentum_block(part(parameters, i, j), part(gradients, i, j), part(velocity, i, j), factors)


@inner(inline="always")
def _momentum_block(parameters, gradients, velocity, factors):
    learning_rate, momentum, take, of_gradient, of_velocity, weight_decay = factors
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        velocity[i] = momentum * velocity[i] + take * gradient
        parameters[i] -= learning_rate * (of_gradient * gradient + of_velocity * velocity[i])


@kernel
def _adam(parameters, gradients, first_moment, second_moment, factors):
    if parameters.size < ALONE:
        _adam_block(parameters, gradients, first_moment, second_moment, factors)
        return
    for block in prange((parameters.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _adam_block(
            part(parameters, i, j),
            part(gradients, i, j),
            part(first_moment, i, j),
            part(second_moment, i, j),
            factors,
        )


@inner(inline="always")
def _adam_block(parameters, gradients, first_moment, second_moment, factors):
    shrink, added_decay, beta1, one_less_beta1, beta2, one_less_beta2, rate, root_scale, epsilon = factors
    for i in range(parameters.size):
        parameter = shrink * parameters[i]
        gradient = gradients[i] + added_decay * parameter
        first = beta1 * first_moment[i] + one_less_beta1 * gradient
        second = beta2 * second_moment[i] + one_less_beta2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        parameters[i] = parameter - rate * first / (np.sqrt(second) * root_scale + epsilon)


@kernel
def _rmsprop(
    parameters, gradients, square_average, velocity, gradient_average, has_momentum, is_centered, factors
):
    if parameters.size < ALONE:
        _rmsprop_block(
            parameters,
            gradients,
            square_average,
            velocity,
            gradient_average,
            has_momentum,
            is_centered,
            factors,
        )
        return
    for block in prange((parameters.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _rmsprop_block(
            part(parameters, i, j),
            part(gradients, i, j),
            part(square_average, i, j),
            part(velocity, i, j),
            part(gradient_average, i, j),
            has_momentum,
            is_centered,
            factors,
        )


@inner(inline="always")
def _rmsprop_block(
    parameters, gradients, square_average, velocity, gradient_average, has_momentum, is_centered, factors
):
    learning_rate, alpha, one_less_alpha, epsilon, momentum, weight_decay = factors
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        square = alpha * square_average[i] + one_less_alpha * gradient * gradient
        square_average[i] = square
        if is_centered:
            average = alpha * gradient_average[i] + one_less_alpha * gradient
            gradient_average[i] = average
            square -= average * average
            if square < 0:
                square = square_average.dtype.type(0)
        direction = gradient / (np.sqrt(square) + epsilon)
        if has_momentum:
            direction += momentum * velocity[i]
            velocity[i] = direction
        parameters[i] -= learning_rate * direction


@kernel
def _adagrad(parameters, gradients, square_sum, factors):
    if parameters.size < ALONE:
        _adagrad_block(parameters, gradients, square_sum, factors)
        return
    for block in prange((parameters.size + _BLOCK - 1) // _BLOCK):
        i, j = block * _BLOCK, (block + 1) * _BLOCK
        _adagrad_block(part(parameters, i, j), part(gradients, i, j), part(square_sum, i, j), factors)


@inner(inline="always")
def _adagrad_block(parameters, gradients, square_sum, factors):
    learning_rate, epsilon, weight_decay = factors
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        square_sum[i] += gradient * gradient
        parameters[i] -= learning_rate * gradient / (np.sqrt(square_sum[i]) + epsilon)
