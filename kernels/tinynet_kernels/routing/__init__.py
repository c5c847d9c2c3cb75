"""Capsules: vectors whose length tells whether something is there, and routing by agreement between them.

Each of I lower capsules u[n, i] (K numbers) casts a vote on each of O upper ones (D numbers),
``votes[n, i, o] = u[n, i] @ weight[i, o]``. An upper capsule is the squashed sum of the votes on it, times
coefficients of which those of one lower capsule sum to 1, and which favour the upper capsules that its votes
agree with::

    known = 0
    repeat:
        coefficients[n, i, :] = softmax over o of (votes[n, i, o] · known[n, o])
        sum[n, o] = Σ over i of coefficients[n, i, o] · votes[n, i, o]
        known += squash(sum)

The paper keeps the logits and adds each iteration's agreement to them. Since the agreement is linear in the
output, the sum of the outputs so far, `known`, gives the same logits.

Source: Sabour, Frosst & Hinton, Dynamic Routing Between Capsules (2017), equations 1 to 3, procedure 1.
"""

from tinynet_kernels.dispatch import FLOATS, Family

__all__ = ["route", "route_backward", "squash", "squash_backward"]

_family = Family(__name__, gpu=FLOATS)


def squash(x):
    """x · |x| / (1 + |x|²) along the last axis: the same direction, a length below 1.

    |x| is divided by as the root of |x|² + 1e-7, so that zero has a derivative.

    Args:
        x: (M, D).

    Raises:
        ValueError: x is no matrix.
    """
    _check_matrix("squash", x)
    return _family.take(x).squash(x)


def squash_backward(gy, x):
    """The gradient of `squash` by x (M, D), given gy (M, D) by its output."""
    _check_matrix("squash_backward", x)
    _check_shape("squash_backward", "gy", gy, x.shape)
    return _family.take(gy, x).squash_backward(gy, x)


def route(u, weight, iterations, keeping=False):
    """Upper capsules from lower ones, by routing.

    Args:
        u: the lower capsules (N, I, K).
        weight: (I, O, K, D), with O at least 1.
        iterations: how often the sums are computed, at least once; the first has equal coefficients.
        keeping: whether the last coefficients are wanted as well, I · N · O numbers, for a backward pass that
            takes them as constants.

    Returns:
        The upper capsules (N, O, D), and the sums before the squashing of every iteration, which the backward
        pass needs: (iterations, N, O, D). The cpu take makes the votes anew in each iteration, a few at a
        time, since their memory, N · I · O · D numbers, would take longer to fetch. If
        `keeping`, then also the coefficients, as the take lays them out, or None if it has no use for them.

    Raises:
        ValueError: the shapes disagree, or there are no upper capsules or iterations.
    """
    _check_route("route", u, weight)
    if iterations < 1:
        raise ValueError(f"routing.route: iterations must be at least 1, not {iterations}")
    y, sums, coefficients = _family.take(u, weight).route(u, weight, iterations, keeping)
    return (y, sums, coefficients) if keeping else (y, sums)


def route_backward(gy, u, weight, sums, through_coefficients, coefficients=None):
    """The gradients by u (N, I, K) and weight (I, O, K, D), given gy (N, O, D) by the upper capsules.

    Args:
        gy, u, weight: the gradient, and the arguments of `route`.
        sums: what `route` returned.
        through_coefficients: whether the coefficients depend on the votes, through all iterations, or count
            as constants.
        coefficients: of the same call of `route`, if it was `keeping` them; otherwise they are computed anew.
    """
    _check_route("route_backward", u, weight)
    shape = u.shape[0], weight.shape[1], weight.shape[3]
    _check_shape("route_backward", "gy", gy, shape)
    _check_shape("route_backward", "sums", sums, (max(len(sums), 1), *shape))
    take = _family.take(gy, u, weight, sums)
    return take.route_backward(gy, u, weight, sums, through_coefficients, coefficients)


def _check_matrix(function, x):
    if x.ndim != 2:
        raise ValueError(f"routing.{function}: x must be a matrix (M, D), but has shape {x.shape}")


def _check_shape(function, name, array, expected):
    if array.shape != expected:
        raise ValueError(f"routing.{function}: {name} has shape {array.shape}, but {expected} is needed")


def _check_route(function, u, weight):
    if u.ndim != 3 or weight.ndim != 4:
        raise ValueError(
            f"routing.{function}: u must be (N, I, K) and weight (I, O, K, D), but they have shapes "
            f"{u.shape} and {weight.shape}"
        )
    if (u.shape[1], u.shape[2]) != (weight.shape[0], weight.shape[2]):
        raise ValueError(
            f"routing.{function}: u (shape {u.shape}) has {u.shape[1]} capsules of {u.shape[2]} numbers, but "
            f"weight (shape {weight.shape}) expects {weight.shape[0]} of {weight.shape[2]}"
        )
    if not weight.shape[1]:
        raise ValueError(f"routing.{function}: weight (shape {weight.shape}) has no upper capsules")
