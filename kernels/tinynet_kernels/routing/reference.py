"""Capsules as their formulas say, with all votes in memory."""

from tinynet_kernels.dispatch import array_module

EPSILON = 1e-7  # added to the squared length before its root is taken, as implementations of the paper do


def squash(x):
    return x * _factor(_squared_length(x))


def squash_backward(gy, x):
    squared = _squared_length(x)
    inner = (x * gy).sum(axis=-1, keepdims=True)
    return gy * _factor(squared) + x * (2 * inner * _slope(squared))


def route(u, weight, iterations, keeping):
    xp = array_module(u)
    votes = _votes(xp, u, weight)
    sums, known = [], xp.zeros((u.shape[0], weight.shape[1], weight.shape[3]), u.dtype)
    for _ in range(iterations):
        coefficients = _softmax(xp, _agreement(xp, votes, known))
        sums.append(xp.einsum("nio,niod->nod", coefficients, votes))
        known = known + squash(sums[-1])
    return squash(sums[-1]), xp.stack(sums), None


def route_backward(gy, u, weight, sums, through_coefficients, coefficients):
    xp = array_module(u)
    votes = _votes(xp, u, weight)
    gvotes = xp.zeros_like(votes)
    outputs = squash(sums)
    gsum = squash_backward(gy, sums[-1])
    gknown = xp.zeros_like(gy)
    for t in reversed(range(len(sums))):
        known = outputs[:t].sum(axis=0)
        coefficients = _softmax(xp, _agreement(xp, votes, known))
        gvotes += coefficients[..., None] * gsum[:, None]
        if t == 0 or not through_coefficients:
            break
        gcoefficients = _agreement(xp, votes, gsum)
        mean = (gcoefficients * coefficients).sum(axis=2, keepdims=True)
        glogits = coefficients * (gcoefficients - mean)
        gvotes += glogits[..., None] * known[:, None]
        # What is known in an iteration are the outputs of all earlier ones.
        gknown = gknown + xp.einsum("nio,niod->nod", glogits, votes)
        gsum = squash_backward(gknown, sums[t - 1])
    gu = xp.einsum("niod,iokd->nik", gvotes, weight, optimize=True)
    return gu, xp.einsum("nik,niod->iokd", u, gvotes, optimize=True)


def _squared_length(x):
    return (x * x).sum(axis=-1, keepdims=True)


def _factor(squared):
    return squared / (1 + squared) / (squared + EPSILON) ** 0.5


def _slope(squared):
    """The derivative of `_factor`."""
    root = (squared + EPSILON) ** 0.5
    return (1 / (1 + squared) - squared / (2 * root * root)) / (1 + squared) / root


def _votes(xp, u, weight):
    return xp.einsum("nik,iokd->niod", u, weight, optimize=True)


def _agreement(xp, votes, vectors):
    """The product of each vote (N, I, O, D) with the vector (N, O, D) that it votes on: (N, I, O)."""
    return xp.einsum("niod,nod->nio", votes, vectors)


def _softmax(xp, logits):
    exponentials = xp.exp(logits - logits.max(axis=2, keepdims=True))
    return exponentials / exponentials.sum(axis=2, keepdims=True)
