"""Optimiser steps on the CPU: one pass over memory, no intermediate arrays.

The factors of each formula that are the same for all parameters are worked out in float64 and rounded
to the parameters' dtype once, so that float32 arrays are updated in float32 throughout.
"""

import numpy as np

from tinynet_kernels.blocks import block, parameters_of, run_blocks
from tinynet_kernels.compile import inner
from tinynet_kernels.strips import ALONE


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
        _update(_descend, (learning_rate, weight_decay), gradients, parameters)
        return
    if first_step:
        velocity.fill(0)
    take = 1 if first_step else 1 - dampening
    # The parameters move along `of_gradient * g + of_velocity * v`.
    of_gradient, of_velocity = (1, momentum) if nesterov else (0, 1)
    factors = (learning_rate, momentum, take, of_gradient, of_velocity, weight_decay)
    _update(_descend_with_momentum, factors, gradients, parameters, velocity)


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
    _update(_adam, factors, gradients, parameters, first_moment, second_moment)


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
    factors = (learning_rate, alpha, 1 - alpha, epsilon, momentum, weight_decay, gradient_average is not None)
    absent = np.empty(0, parameters.dtype)  # has a place among the arrays, but is not touched
    velocity = velocity if momentum else absent
    average = absent if gradient_average is None else gradient_average
    _update(_rmsprop, factors, gradients, parameters, square_average, velocity, average)


def adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    _update(_adagrad, (learning_rate, epsilon, weight_decay), gradients, parameters, square_sum)


def _update(task, factors, gradients, *changed):
    """Has a task update arrays in place: for it, the gradients have the number 0, the others 1, 2, …"""
    if not gradients.size:
        return
    in_order = [array if array.flags.carray else array.copy() for array in changed]
    run_blocks(task, (gradients, *in_order), gradients.size, alone=ALONE, parameters=factors)
    for array, copy in zip(changed, in_order, strict=True):
        if copy is not array:
            array[...] = copy


@inner
def _descend(zero, arguments, index):
    gradients, parameters = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    learning_rate, weight_decay = parameters_of(zero, arguments, 2)
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        parameters[i] -= learning_rate * gradient


@inner
def _descend_with_momentum(zero, arguments, index):
    gradients, parameters = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    velocity = block(zero, arguments, index, 2)
    learning_rate, momentum, take, of_gradient, of_velocity, weight_decay = parameters_of(zero, arguments, 6)
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        velocity[i] = momentum * velocity[i] + take * gradient
        parameters[i] -= learning_rate * (of_gradient * gradient + of_velocity * velocity[i])


@inner
def _adam(zero, arguments, index):
    gradients, parameters = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    first_moment, second_moment = block(zero, arguments, index, 2), block(zero, arguments, index, 3)
    factors = parameters_of(zero, arguments, 9)
    shrink, added_decay, beta1, one_less_beta1, beta2, one_less_beta2, rate, root_scale, epsilon = factors
    for i in range(parameters.size):
        parameter = shrink * parameters[i]
        gradient = gradients[i] + added_decay * parameter
        first = beta1 * first_moment[i] + one_less_beta1 * gradient
        second = beta2 * second_moment[i] + one_less_beta2 * gradient * gradient
        first_moment[i] = first
        second_moment[i] = second
        parameters[i] = parameter - rate * first / (np.sqrt(second) * root_scale + epsilon)


@inner
def _rmsprop(zero, arguments, index):
    gradients, parameters = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    square_average, velocity = block(zero, arguments, index, 2), block(zero, arguments, index, 3)
    gradient_average = block(zero, arguments, index, 4)
    factors = parameters_of(zero, arguments, 7)
    learning_rate, alpha, one_less_alpha, epsilon, momentum, weight_decay, is_centered = factors
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        square = alpha * square_average[i] + one_less_alpha * gradient * gradient
        square_average[i] = square
        if is_centered:
            average = alpha * gradient_average[i] + one_less_alpha * gradient
            gradient_average[i] = average
            square -= average * average
            square = zero if square < 0 else square
        direction = gradient / (np.sqrt(square) + epsilon)
        if momentum:
            direction += momentum * velocity[i]
            velocity[i] = direction
        parameters[i] -= learning_rate * direction


@inner
def _adagrad(zero, arguments, index):
    gradients, parameters = block(zero, arguments, index, 0), block(zero, arguments, index, 1)
    square_sum = block(zero, arguments, index, 2)
    learning_rate, epsilon, weight_decay = parameters_of(zero, arguments, 3)
    for i in range(parameters.size):
        gradient = gradients[i] + weight_decay * parameters[i]
        square_sum[i] += gradient * gradient
        parameters[i] -= learning_rate * gradient / (np.sqrt(square_sum[i]) + epsilon)
