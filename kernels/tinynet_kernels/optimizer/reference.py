"""Optimiser steps as their formulas say."""

from tinynet_kernels.dispatch import array_module


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
    direction = _decayed(gradients, parameters, weight_decay)
    if momentum:
        velocity[...] = direction if first_step else momentum * velocity + (1 - dampening) * direction
        direction = direction + momentum * velocity if nesterov else velocity
    parameters -= learning_rate * direction


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
    xp = array_module(parameters)
    if decoupled:
        parameters *= 1 - learning_rate * weight_decay
    else:
        gradients = _decayed(gradients, parameters, weight_decay)
    first_moment[...] = beta1 * first_moment + (1 - beta1) * gradients
    second_moment[...] = beta2 * second_moment + (1 - beta2) * xp.square(gradients)
    unbiased_root = xp.sqrt(second_moment) / (1 - beta2**step) ** 0.5
    parameters -= learning_rate / (1 - beta1**step) * first_moment / (unbiased_root + epsilon)


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
    xp = array_module(parameters)
    gradients = _decayed(gradients, parameters, weight_decay)
    square_average[...] = alpha * square_average + (1 - alpha) * xp.square(gradients)
    variance = square_average
    if gradient_average is not None:
        gradient_average[...] = alpha * gradient_average + (1 - alpha) * gradients
        variance = xp.maximum(square_average - xp.square(gradient_average), 0)
    direction = gradients / (xp.sqrt(variance) + epsilon)
    if momentum:
        velocity[...] = momentum * velocity + direction
        direction = velocity
    parameters -= learning_rate * direction


def adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    xp = array_module(parameters)
    gradients = _decayed(gradients, parameters, weight_decay)
    square_sum += xp.square(gradients)
    parameters -= learning_rate * gradients / (xp.sqrt(square_sum) + epsilon)


def _decayed(gradients, parameters, weight_decay):
    return gradients + weight_decay * parameters if weight_decay else gradients
