"""Optimiser steps on the CPU: one pass over memory, no intermediate arrays.

The factors of each formula that are the same for all parameters are worked out in float64 and rounded
to the parameters' dtype once, so that float32 arrays are updated in float32 throughout.
"""

import numpy as np
from numba import prange

from tinynet_kernels.compile import kernel


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
    number = parameters.dtype.type
    if not momentum:
        _descend(parameters, gradients, number(learning_rate), number(weight_decay))
        return
    if first_step:
        velocity.fill(0)
    take = 1 if first_step else 1 - dampening
    # The parameters move along `of_gradient * g + of_velocity * v`.
    of_gradient, of_velocity = (1, momentum) if nesterov else (0, 1)
    factors = (learning_rate, momentum, take, of_gradient, of_velocity, weight_decay)
    _descend_with_momentum(parameters, gradients, velocity, *map(number, factors))


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
    _adam(parameters, gradients, first_moment, second_moment, *map(parameters.dtype.type, factors))


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
        *map(parameters.dtype.type, factors),
    )


def adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    factors = (learning_rate, epsilon, weight_decay)
    _adagrad(parameters, gradients, square_sum, *map(parameters.dtype.type, factors))


@kernel
def _descend(parameters, gradients, learning_rate, weight_decay):
    for i in prange(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        parameters[i] -= learning_rate * gradient


@kernel
def _descend_with_momentum(
    parameters, gradients, velocity, learning_rate, momentum, take, of_gradient, of_velocity, weight_decay
):
    for i in prange(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        velocity[i] = momentum * velocity[i] + take * gradient
        parameters[i] -= learning_rate * (of_gradient * gradient + of_velocity * velocity[i])


@kernel
def _adam(
    parameters,
    gradients,
    first_moment,
    second_moment,
    shrink,
    added_decay,
    beta1,
    one_less_beta1,
    beta2,
    one_less_beta2,
    rate,
    root_scale,
    epsilon,
):
    for i in prange(parameters.size):
        parameter = shrink * parameters[i]
        gradient = gradients[i] + added_decay * parameter
        first = beta1 * first_moment[i] + one_less_beta1 * gradient
        second = beta2 * second_moment[i] + one_less_beta2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        parameters[i] = parameter - rate * first / (np.sqrt(second) * root_scale + epsilon)


@kernel
def _rmsprop(
    parameters,
    gradients,
    square_average,
    velocity,
    gradient_average,
    has_momentum,
    is_centered,
    learning_rate,
    alpha,
    one_less_alpha,
    epsilon,
    momentum,
    weight_decay,
):
    for i in prange(parameters.size):
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
def _adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    for i in prange(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        square_sum[i] += gradient * gradient
        parameters[i] -= learning_rate * gradient / (np.sqrt(square_sum[i]) + epsilon)
