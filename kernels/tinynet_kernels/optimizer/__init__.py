"""Optimiser steps over flat arrays (P,), formulas as in PyTorch.

These are the only kernels that write into their arguments: the parameters and the optimiser's state
change in place, the gradients never do. All arrays of one call have the same shape. Weight decay
adds ``weight_decay * parameters`` to the gradients, unless it is decoupled.
"""

from tinynet_kernels.dispatch import Family

__all__ = ["adagrad", "adam", "rmsprop", "sgd"]

_family = Family(__name__, gpu=("float32", "float64"))


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
    """Stochastic gradient descent with momentum.

    ``v = momentum * v + (1 - dampening) * g`` (on the first step ``v = g``), then
    ``p -= learning_rate * v``, or with Nesterov's look-ahead ``p -= learning_rate * (g + momentum * v)``.

    `velocity` may be None when `momentum` is 0, and is then neither read nor written.

    Source: Sutskever, Martens, Dahl & Hinton, On the Importance of Initialization and Momentum (2013).
    """
    _check("sgd", parameters, gradients=gradients, velocity=velocity)
    if momentum and velocity is None:
        raise ValueError(f"optimizer.sgd: momentum = {momentum} needs a velocity")
    take = _take(parameters, gradients, velocity)
    take.sgd(
        parameters,
        gradients,
        velocity,
        learning_rate,
        momentum,
        dampening,
        nesterov,
        weight_decay,
        first_step,
    )


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
    """Adam, and AdamW when `decoupled`.

    ``m = beta1 * m + (1 - beta1) * g`` and ``v = beta2 * v + (1 - beta2) * g²``, then, with `step`
    counted from 1, ``p -= learning_rate * m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon)``.
    Decoupled weight decay first scales p by ``1 - learning_rate * weight_decay``.

    Sources: Kingma & Ba, Adam (2015), Algorithm 1; Loshchilov & Hutter, Decoupled Weight Decay (2019).
    """
    _check("adam", parameters, gradients=gradients, first_moment=first_moment, second_moment=second_moment)
    if step < 1:
        raise ValueError(f"optimizer.adam: step counts from 1, but is {step}")
    take = _take(parameters, gradients, first_moment, second_moment)
    take.adam(
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
    )


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
    """RMSprop: ``s = alpha * s + (1 - alpha) * g²``, then ``p -= learning_rate * g / (sqrt(s) + epsilon)``.

    With `momentum`, ``v = momentum * v + g / (sqrt(s) + epsilon)`` and ``p -= learning_rate * v``;
    `velocity` may be None without. Centered if `gradient_average` a is given instead of None:
    ``a = alpha * a + (1 - alpha) * g``, and the root is of ``s - a²``, or of 0 where rounding has made
    that negative.

    Sources: Tieleman & Hinton, Lecture 6.5 (2012); Graves, Generating Sequences (2013), section 2.3.
    """
    _check(
        "rmsprop",
        parameters,
        gradients=gradients,
        square_average=square_average,
        velocity=velocity,
        gradient_average=gradient_average,
    )
    if momentum and velocity is None:
        raise ValueError(f"optimizer.rmsprop: momentum = {momentum} needs a velocity")
    take = _take(parameters, gradients, square_average, velocity, gradient_average)
    take.rmsprop(
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
    )


def adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay):
    """Adagrad: ``s = s + g²``, then ``p -= learning_rate * g / (sqrt(s) + epsilon)``.

    Source: Duchi, Hazan & Singer, Adaptive Subgradient Methods (2011), diagonal case.
    """
    _check("adagrad", parameters, gradients=gradients, square_sum=square_sum)
    take = _take(parameters, gradients, square_sum)
    take.adagrad(parameters, gradients, square_sum, learning_rate, epsilon, weight_decay)


def _take(*arrays):
    return _family.take(*(array for array in arrays if array is not None))


def _check(function, parameters, **arrays):
    if parameters.ndim != 1:
        raise ValueError(
            f"optimizer.{function}: parameters must be flat (P,), but have shape {parameters.shape}"
        )
    for name, array in arrays.items():
        if array is not None and array.shape != parameters.shape:
            raise ValueError(
                f"optimizer.{function}: {name} has shape {array.shape} but parameters have {parameters.shape}"
            )
