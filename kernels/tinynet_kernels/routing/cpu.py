"""Capsules on the CPU: routing makes the votes of one lower capsule at a time, where they are used.

A task takes some lower capsules and a block of samples. For each of these capsules its votes are a product of
a weight that is read once and of vectors that lie side by side, one sample per lane; they stay in the cache
for the little that each iteration does with them, and are gone. What a task sums up over its capsules is
added to the sums of the others in order::

    weight[i] (O · D, K)  ×  u[:, i] (K, samples)  ─►  votes (O · D, samples)
                                                         │ agreement with what is known, softmax
                                                         ▼
                          sums (O · D, samples)    +=   coefficients (O, samples) · votes

The backward pass makes the votes again, once for each iteration, the last first: the gradient by the sums of
an iteration gives that by its logits, and this the gradient by the sums before. In the end `gradients`
computes those by u and weight from the coefficients and the gradients by the logits of all iterations, which
are few: one number each for the D of a vote.
"""

import numpy as np

from tinynet_kernels.routing import reference
from tinynet_kernels.routing.blocks import Blocks, aligned_empty
from tinynet_kernels.routing.gradients import gradients
from tinynet_kernels.routing.passes import first_sums, weighted_sums
from tinynet_kernels.routing.squashing import squash, squash_backward

__all__ = ["route", "route_backward", "squash", "squash_backward"]


def route(u, weight, iterations, keeping):
    if u.size == 0 or weight.size == 0:
        return reference.route(u, weight, iterations, keeping)
    u, weight = np.ascontiguousarray(u), np.ascontiguousarray(weight)
    blocks = Blocks.of(u, weight)
    sums = [first_sums(blocks, u, weight)]
    known = y = reference.squash(sums[0])
    coefficients = None
    for t in range(1, iterations):
        if keeping and t == iterations - 1:
            coefficients = _room_for_coefficients(blocks, 1, u.dtype)
        sums.append(weighted_sums(blocks, u, weight, blocks.side_by_side(known), None, coefficients))
        y = reference.squash(sums[-1])
        known = known + y
    return y, np.stack(sums), coefficients


def route_backward(gy, u, weight, sums, through_coefficients, coefficients):
    if u.size == 0 or weight.size == 0:
        return reference.route_backward(gy, u, weight, sums, through_coefficients, coefficients)
    u, weight = np.ascontiguousarray(u), np.ascontiguousarray(weight)
    blocks = Blocks.of(u, weight)
    iterations = len(sums)
    gsum = reference.squash_backward(gy, sums[-1])
    if iterations == 1:
        return _constant_coefficients(blocks, u, weight, gsum)
    outputs = reference.squash(sums[:-1])
    terms = 2 * (iterations - 1) if through_coefficients else 1
    vectors = aligned_empty(
        (blocks.blocks, terms, blocks.upper, blocks.upper_size, blocks.lanes),
        u.dtype,
    )
    vectors[:, 0] = blocks.side_by_side(gsum)
    if not through_coefficients:
        known = blocks.side_by_side(outputs.sum(axis=0))
        if coefficients is None:
            coefficients = _room_for_coefficients(blocks, terms, u.dtype)
            weighted_sums(blocks, u, weight, known, None, coefficients, summing=False)
        return gradients(blocks, u, weight, np.zeros_like(known), coefficients, vectors)
    coefficients = _room_for_coefficients(blocks, terms, u.dtype)
    gknown = np.zeros_like(gsum)
    for t in range(iterations - 1, 0, -1):
        term = 2 * (iterations - 1 - t)
        known = blocks.side_by_side(outputs[:t].sum(axis=0))
        vectors[:, term], vectors[:, term + 1] = blocks.side_by_side(gsum), known
        gknown = gknown + weighted_sums(
            blocks, u, weight, known, blocks.side_by_side(gsum), coefficients, term
        )
        gsum = reference.squash_backward(gknown, sums[t - 1])
    base = blocks.side_by_side(gsum / u.dtype.type(blocks.upper))
    return gradients(blocks, u, weight, base, coefficients, vectors)


def _room_for_coefficients(blocks, terms, dtype):
    return aligned_empty((blocks.lower, blocks.blocks, terms, blocks.upper, blocks.lanes), dtype)


def _constant_coefficients(blocks, u, weight, gsum):
    """The gradients where there is one iteration, in which all coefficients are 1 / O."""
    base = blocks.side_by_side(gsum / u.dtype.type(blocks.upper))
    nothing = (0, blocks.upper, blocks.upper_size, blocks.lanes)
    return gradients(
        blocks,
        u,
        weight,
        base,
        _room_for_coefficients(blocks, 0, u.dtype),
        aligned_empty((blocks.blocks, *nothing), u.dtype),
    )
