"""One step of each kind of layer for some hidden units of one sequence, on the CPU.

The arrays hold as many numbers as there are hidden units and may not overlap. Each formula is a loop of its
own: LLVM makes vector code of a loop only where it can tell, by comparing few addresses, that the numbers
written are none of those read. All is in the first-level cache meanwhile.
"""

from tinynet_kernels.compile import inner
from tinynet_kernels.simd.exponential import exponential

__all__ = [
    "gru_step",
    "gru_step_backward",
    "lstm_step",
    "lstm_step_backward",
    "rnn_step",
    "rnn_step_backward",
]


@inner
def _sigmoid(x):
    """Replaces each number by 1 / (1 + exp(−x))."""
    one = x.dtype.type(1)
    for k in range(x.size):
        x[k] = one / (one + exponential(-x[k]))


@inner
def _squash(x):
    """Replaces each number by tanh(x) = 2 / (1 + exp(−2x)) − 1."""
    one, two = x.dtype.type(1), x.dtype.type(2)
    for k in range(x.size):
        x[k] = two / (one + exponential(-two * x[k])) - one


@inner
def _squash_into(x, y):
    """Sets y to tanh(x)."""
    one, two = x.dtype.type(1), x.dtype.type(2)
    for k in range(x.size):
        y[k] = two / (one + exponential(-two * x[k])) - one


@inner
def rnn_step(z, h, is_relu):
    """Sets the state h to tanh(z) or, if `is_relu`, to max(z, 0)."""
    if is_relu:
        zero = z.dtype.type(0)
        for k in range(z.size):
            h[k] = zero if z[k] < zero else z[k]
    else:
        _squash_into(z, h)


@inner
def rnn_step_backward(gh, h, gz, is_relu):
    """Sets gz from the gradient gh by the state h after the step."""
    one, zero = h.dtype.type(1), h.dtype.type(0)
    if is_relu:
        for k in range(h.size):
            gz[k] = gh[k] if h[k] > zero else zero
    else:
        for k in range(h.size):
            gz[k] = gh[k] * (one - h[k] * h[k])


@inner
def lstm_step(i, f, g, o, c, h):
    """Applies their activations to the gates, then updates the cell c and sets the state h."""
    _sigmoid(i)
    _sigmoid(f)
    _squash(g)
    _sigmoid(o)
    for k in range(c.size):
        c[k] = f[k] * c[k] + i[k] * g[k]
    _squash_into(c, h)
    for k in range(c.size):
        h[k] *= o[k]


@inner
def lstm_step_backward(i, f, g, o, c, before, gh, gc, gi, gf, gg, go):
    """Sets the gradients by the gates before their activations, and turns gc into that by the cell before.

    `c` is the cell after the step, `before` the one before it.
    """
    one = c.dtype.type(1)
    _squash_into(c, go)
    for k in range(c.size):
        gc[k] += gh[k] * o[k] * (one - go[k] * go[k])
    for k in range(c.size):
        go[k] = gh[k] * go[k] * o[k] * (one - o[k])
    for k in range(c.size):
        gi[k] = gc[k] * g[k] * i[k] * (one - i[k])
    for k in range(c.size):
        gf[k] = gc[k] * before[k] * f[k] * (one - f[k])
    for k in range(c.size):
        gg[k] = gc[k] * i[k] * (one - g[k] * g[k])
    for k in range(c.size):
        gc[k] *= f[k]


@inner
def gru_step(r, u, n, q, before, h):
    """Applies their activations to the gates and sets the state h; q is the candidate's part to be reset."""
    one = h.dtype.type(1)
    _sigmoid(r)
    _sigmoid(u)
    for k in range(h.size):
        n[k] += r[k] * q[k]
    _squash(n)
    for k in range(h.size):
        h[k] = (one - u[k]) * n[k] + u[k] * before[k]


@inner
def gru_step_backward(r, u, n, q, before, gh, gr, gu, gn, gq):
    """Sets the gradients by the gates before their activations and by q, and scales gh by the update gate."""
    one = before.dtype.type(1)
    for k in range(gh.size):
        gu[k] = gh[k] * (before[k] - n[k]) * u[k] * (one - u[k])
    for k in range(gh.size):
        gn[k] = gh[k] * (one - u[k]) * (one - n[k] * n[k])
    for k in range(gh.size):
        gr[k] = gn[k] * q[k] * r[k] * (one - r[k])
    for k in range(gh.size):
        gq[k] = gn[k] * r[k]
    for k in range(gh.size):
        gh[k] *= u[k]
