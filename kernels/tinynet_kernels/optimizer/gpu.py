"""Optimiser steps on the GPU: one launch each, limited by memory. See gpu.cu."""

from tinynet_kernels.cuda import Source, blocks_for, contiguous, launch
from tinynet_kernels.cuda.capturing import step_numbers

_source = Source(__package__, dtypes=("float32", "float64"))

_THREADS = 256
_PACK = 16  # bytes, which a thread reads of each array at a time


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
    arrays = parameters, gradients, velocity if momentum else None
    undamped = 1 - dampening
    numbers = learning_rate, momentum, undamped, weight_decay
    _step("sgd_step", arrays, numbers, nesterov, first_step)


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
    keep = 1 - learning_rate * weight_decay if decoupled else 1.0
    numbers = (
        learning_rate / (1 - beta1**step),
        (1 - beta2**step) ** -0.5,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        epsilon,
        0.0 if decoupled else weight_decay,
        keep,
    )
    _step("adam_step", (parameters, gradients, first_moment, second_moment), numbers)


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
    arrays = parameters, gradients, square_average, velocity if momentum else None, gradient_average
    _step("rmsprop_step", arrays, (learning_rate, alpha, 1 - alpha, epsilon, momentum, weight_decay))


def adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    arrays = parameters, gradients, square_sum
    _step("adagrad_step", arrays, (learning_rate, epsilon, weight_decay))


def _step(name, arrays, numbers, *choices):
    """Launches a step over arrays, of which some may be None and all but the gradients are changed."""
    first = arrays[0]
    if not first.size:
        return
    worked_on = [*map(contiguous, arrays)]
    grid = blocks_for(first.nbytes, _THREADS * _PACK)
    current = step_numbers(first.dtype, numbers)
    renewed = None if current is numbers else current
    arguments = *worked_on, renewed, *numbers, *choices, first.size
    launch(_source.function(name, first.dtype), grid, _THREADS, arguments)
    for array, copy in zip(arrays, worked_on, strict=True):
        if copy is not array and array is not arrays[1]:
            array[...] = copy
