"""Recurrent layers step by step, each step for all sequences that are long enough at once."""

from tinynet_kernels.dispatch import array_module

__all__ = ["gru_backward", "gru_forward", "lstm_backward", "lstm_forward", "rnn_backward", "rnn_forward"]


def rnn_forward(p, weight, h, lengths, activation):
    xp = array_module(p)
    h, y = h.copy(), _zeros_over_steps(p, h)
    for d, rows, times in _steps(p, lengths):
        z = p[rows, times, d] + h[d, rows] @ weight[d]
        h[d, rows] = y[rows, times, d] = xp.tanh(z) if activation == "tanh" else xp.maximum(z, 0)
    return y, h


def rnn_backward(gy, gh, y, weight, h, lengths, activation):
    xp = array_module(gy)
    gp, gh = xp.zeros_like(y), gh.copy()
    for d, rows, times in reversed(_steps(y, lengths)):
        output = y[rows, times, d]
        gz = gh[d, rows] + gy[rows, times, d]
        gz = gz * (1 - output * output) if activation == "tanh" else xp.where(output > 0, gz, 0)
        gp[rows, times, d] = gz
        gh[d, rows] = gz @ weight[d].T
    return gp, _weight_gradient(xp, y, h, gp, lengths), gh


def lstm_forward(p, weight, h, c, lengths, keep):
    xp = array_module(p)
    h, c, y, cells, gates = (
        h.copy(),
        c.copy(),
        _zeros_over_steps(p, h),
        _zeros_over_steps(p, h),
        xp.zeros_like(p),
    )
    for d, rows, times in _steps(p, lengths):
        i, f, g, o = xp.split(p[rows, times, d] + h[d, rows] @ weight[d], 4, axis=-1)
        i, f, g, o = _sigmoid(xp, i), _sigmoid(xp, f), xp.tanh(g), _sigmoid(xp, o)
        c[d, rows] = cells[rows, times, d] = f * c[d, rows] + i * g
        h[d, rows] = y[rows, times, d] = o * xp.tanh(c[d, rows])
        gates[rows, times, d] = xp.concatenate([i, f, g, o], axis=-1)
    return (y, h, c, gates, cells) if keep else (y, h, c, None, None)


def lstm_backward(gy, gh, gc, y, gates, cells, weight, h, c, lengths):
    xp = array_module(gy)
    gp, gh, gc = xp.zeros_like(gates), gh.copy(), gc.copy()
    cells_before = _states_before(xp, cells, c, lengths)
    for d, rows, times in reversed(_steps(y, lengths)):
        i, f, g, o = xp.split(gates[rows, times, d], 4, axis=-1)
        squashed = xp.tanh(cells[rows, times, d])
        gstate = gh[d, rows] + gy[rows, times, d]
        gcell = gc[d, rows] + gstate * o * (1 - squashed * squashed)
        parts = (
            gcell * g * i * (1 - i),
            gcell * cells_before[rows, times, d] * f * (1 - f),
            gcell * i * (1 - g * g),
            gstate * squashed * o * (1 - o),
        )
        gz = gp[rows, times, d] = xp.concatenate(parts, axis=-1)
        gh[d, rows] = gz @ weight[d].T
        gc[d, rows] = gcell * f
    return gp, _weight_gradient(xp, y, h, gp, lengths), gh, gc


def gru_forward(p, weight, bias, h, lengths, keep):
    xp = array_module(p)
    h, y = h.copy(), _zeros_over_steps(p, h)
    gates = xp.zeros((*y.shape[:-1], 4 * y.shape[-1]), y.dtype)
    for d, rows, times in _steps(p, lengths):
        pr, pu, pn = xp.split(p[rows, times, d], 3, axis=-1)
        zr, zu, q = xp.split(h[d, rows] @ weight[d] + bias[d], 3, axis=-1)
        r, u = _sigmoid(xp, pr + zr), _sigmoid(xp, pu + zu)
        n = xp.tanh(pn + r * q)
        h[d, rows] = y[rows, times, d] = (1 - u) * n + u * h[d, rows]
        gates[rows, times, d] = xp.concatenate([r, u, n, q], axis=-1)
    return (y, h, gates) if keep else (y, h, None)


def gru_backward(gy, gh, y, gates, weight, h, lengths):
    xp = array_module(gy)
    gp = xp.zeros((*y.shape[:-1], weight.shape[-1]), y.dtype)
    gproduct, gh = xp.zeros_like(gp), gh.copy()
    states_before = _states_before(xp, y, h, lengths)
    for d, rows, times in reversed(_steps(y, lengths)):
        r, u, n, q = xp.split(gates[rows, times, d], 4, axis=-1)
        gstate = gh[d, rows] + gy[rows, times, d]
        gu = gstate * (states_before[rows, times, d] - n) * u * (1 - u)
        gn = gstate * (1 - u) * (1 - n * n)
        gr = gn * q * r * (1 - r)
        gp[rows, times, d] = xp.concatenate([gr, gu, gn], axis=-1)
        gz = gproduct[rows, times, d] = xp.concatenate([gr, gu, gn * r], axis=-1)
        gh[d, rows] = gstate * u + gz @ weight[d].T
    return gp, _weight_gradient(xp, y, h, gproduct, lengths), gproduct.sum(axis=(0, 1)), gh


def _steps(p, lengths):
    """Direction, sequences and their times, for each step in the order of calculation."""
    xp = array_module(lengths)
    result = []
    for direction in range(p.shape[2]):
        for step in range(p.shape[1]):
            rows = xp.flatnonzero(lengths > step)
            result.append(
                (direction, rows, lengths[rows] - 1 - step if direction else xp.full_like(rows, step))
            )
    return result


def _states_before(xp, states, first, lengths):
    """The state before each step, (N, T, D, H) like `states`, the states after it; 0 where there is none."""
    before = xp.zeros_like(states)
    before[:, 1:, 0] = states[:, :-1, 0]
    before[:, :1, 0] = first[0][:, None]
    if states.shape[2] == 2:
        before[:, :-1, 1] = states[:, 1:, 1]
        rows = xp.flatnonzero(lengths)
        before[rows, lengths[rows] - 1, 1] = first[1, rows]
    steps = xp.arange(states.shape[1])
    before[steps >= lengths[:, None]] = 0
    return before


def _weight_gradient(xp, y, h, gproduct, lengths):
    """The gradient by the weight (D, H, G·H), from that by the product of state and weight of all steps."""
    states = _states_before(xp, y, h, lengths)
    return _rows(states).swapaxes(1, 2) @ _rows(gproduct)


def _rows(array):
    """(N, T, D, C) → (D, N·T, C)."""
    sequences, steps, *rest = array.shape
    return array.reshape(sequences * steps, *rest).swapaxes(0, 1)


def _zeros_over_steps(p, h):
    """Zeros (N, T, D, H)."""
    return array_module(p).zeros((*p.shape[:3], h.shape[-1]), p.dtype)


def _sigmoid(xp, x):
    # 1 / (1 + exp(−x)) without overflow.
    return 0.5 * xp.tanh(0.5 * x) + 0.5
