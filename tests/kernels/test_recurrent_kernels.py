"""Recurrent layers: takes against each other, both against a loop over sequences and steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet_kernels import pinned, recurrent

few = settings(deadline=None, derandomize=True, max_examples=40)

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}
KINDS = pytest.mark.parametrize("kind", GATES)
TAKES = pytest.mark.parametrize("take", ["reference", "cpu"])


class Problem:
    """A layer of one kind with random numbers, called through `call`, by default the functions themselves."""

    def __init__(self, kind, shape, dtype=np.float64, lengths=None, seed=0):
        sequences, steps, directions, hidden = shape
        rng = np.random.default_rng(seed)

        def draw(*size, scale=1.0):
            return (scale * rng.standard_normal(size)).astype(dtype)

        columns = GATES[kind] * hidden
        self.kind, self.lengths = kind, lengths
        self.p = draw(sequences, steps, directions, columns)
        self.weight = draw(directions, hidden, columns, scale=1 / np.sqrt(max(hidden, 1)))
        self.bias = draw(directions, columns)
        self.h, self.c, self.gh, self.gc = (draw(directions, sequences, hidden) for _ in range(4))
        self.gy = draw(sequences, steps, directions, hidden)

    def forward(self, call=lambda function, *arguments: function(*arguments)):
        if self.kind == "lstm":
            return call(recurrent.lstm_forward, self.p, self.weight, self.h, self.c, self.lengths)
        if self.kind == "gru":
            return call(recurrent.gru_forward, self.p, self.weight, self.bias, self.h, self.lengths)
        return call(recurrent.rnn_forward, self.p, self.weight, self.h, self.lengths, self.kind)

    def backward(self, results, call=lambda function, *arguments: function(*arguments)):
        y = results[0]
        if self.kind == "lstm":
            kept = y, *results[3:], self.weight, self.h, self.c, self.lengths
            return call(recurrent.lstm_backward, self.gy, self.gh, self.gc, *kept)
        if self.kind == "gru":
            kept = y, results[2], self.weight, self.h, self.lengths
            return call(recurrent.gru_backward, self.gy, self.gh, *kept)
        kept = y, self.weight, self.h, self.lengths, self.kind
        return call(recurrent.rnn_backward, self.gy, self.gh, *kept)

    def one_by_one(self):
        """Outputs and states at the end, one sequence, direction and step after the other."""
        y, h, c = np.zeros_like(self.gy), self.h.copy(), self.c.copy()
        for n, d in np.ndindex(y.shape[0], y.shape[2]):
            length = y.shape[1] if self.lengths is None else self.lengths[n]
            for t in reversed(range(length)) if d else range(length):
                h[d, n], c[d, n] = self.step(d, self.p[n, t, d], h[d, n], c[d, n])
                y[n, t, d] = h[d, n]
        return (y, h, c) if self.kind == "lstm" else (y, h)

    def step(self, direction, p, h, c):
        z = h @ self.weight[direction]
        if self.kind == "lstm":
            i, f, g, o = np.split(p + z, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            return sigmoid(o) * np.tanh(c), c
        if self.kind == "gru":
            (pr, pu, pn), (qr, qu, qn) = np.split(p, 3), np.split(z + self.bias[direction], 3)
            u = sigmoid(pu + qu)
            return (1 - u) * np.tanh(pn + sigmoid(pr + qr) * qn) + u * h, c
        return (np.tanh(p + z) if self.kind == "tanh" else np.maximum(p + z, 0)), c


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@KINDS
@few
@given(
    shape=st.tuples(st.integers(0, 15), st.integers(0, 4), st.integers(1, 2), st.integers(0, 40)),
    with_lengths=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_takes_agree(kind, shape, with_lengths, dtype, seed, compare_takes):
    lengths = np.random.default_rng(seed).integers(0, shape[1] + 1, shape[0]) if with_lengths else None
    problem = Problem(kind, shape, dtype, lengths, seed)
    results = problem.forward(compare_takes)
    assert results[0].dtype == dtype
    problem.backward(results, compare_takes)


@KINDS
def test_takes_agree_on_many_sequences_and_units(kind, compare_takes):
    lengths = np.random.default_rng(1).integers(0, 4, 210)
    for shape in ((210, 3, 2, 9), (13, 2, 1, 150)):
        problem = Problem(kind, shape, np.float32, lengths if len(lengths) == shape[0] else None)
        problem.backward(problem.forward(compare_takes), compare_takes)


@KINDS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden", [5, 32, 160])
def test_large_layers_give_the_same(kind, dtype, hidden, monkeypatch):
    """What does not fit the caches is asked for early, and written past them where it is whole vectors."""

    def both():
        with pinned("cpu"):
            results = problem.forward()
            return [*results, *problem.backward(results)]

    problem = Problem(kind, (7, 4, 2, hidden), dtype, np.array([4, 3, 0, 4, 1, 2, 4]))
    expected = both()
    monkeypatch.setattr("tinynet_kernels.recurrent.cpu.LARGE", 1)
    for found, array in zip(both(), expected, strict=True):
        np.testing.assert_array_equal(found, array)


@KINDS
@TAKES
@pytest.mark.parametrize("lengths", [None, np.array([3, 0, 5, 1])])
def test_forward_is_what_single_steps_give(kind, take, lengths):
    problem = Problem(kind, (4, 5, 2, 3), lengths=lengths)
    with pinned(take):
        results = problem.forward()
    for found, expected in zip(results, problem.one_by_one(), strict=False):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@KINDS
@TAKES
def test_gradients_are_those_of_differences(kind, take):
    problem = Problem(kind, (3, 4, 2, 3), lengths=np.array([2, 4, 0]))
    names = {"lstm": "p weight h c", "gru": "p weight bias h"}.get(kind, "p weight h").split()
    with pinned(take):
        gradients = problem.backward(problem.forward())
    rng = np.random.default_rng(5)
    weights = problem.gy, problem.gh, problem.gc

    def total():
        return sum((w * result).sum() for w, result in zip(weights, problem.one_by_one(), strict=False))

    for name, gradient in zip(names, gradients, strict=True):
        array = getattr(problem, name)
        direction = rng.standard_normal(array.shape)
        totals = []
        for sign in (1, -1):
            setattr(problem, name, array + sign * 1e-6 * direction)
            totals.append(total())
        setattr(problem, name, array)
        difference = (totals[0] - totals[1]) / 2e-6
        assert (gradient * direction).sum() == pytest.approx(difference, rel=1e-6, abs=1e-7), name


@KINDS
@TAKES
def test_padding_has_no_influence(kind, take):
    """Whatever stands in the steps beyond a sequence, outputs, states and gradients are the same."""
    lengths = np.array([2, 3])
    problem = Problem(kind, (2, 5, 2, 4), lengths=lengths)
    with pinned(take):
        before = problem.forward()
        gradients = problem.backward(before)
        for array in (problem.p, problem.gy):
            array[0, 2:] = array[1, 3:] = np.nan
        after = problem.forward()
        gradients_after = problem.backward(after)
    for a, b in zip((*before, *gradients), (*after, *gradients_after), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not before[0][0, 2:].any()
    assert not gradients[0][1, 3:].any()


@KINDS
@TAKES
def test_nan_spoils_only_its_sequence_and_what_comes_later(kind, take):
    problem = Problem(kind, (3, 4, 2, 17))
    problem.p[1, 2] = np.nan
    with pinned(take):
        y = problem.forward()[0]
    assert np.isfinite(y[[0, 2]]).all()
    assert np.isfinite(y[1, :2, 0]).all()
    assert np.isfinite(y[1, 3:, 1]).all()
    assert np.isnan(y[1, 2:, 0]).all()
    assert np.isnan(y[1, :3, 1]).all()


@TAKES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_gates(take, dtype):
    """With gates wide open or shut, however far, the cell adds up candidates exactly."""
    problem = Problem("lstm", (1, 3, 1, 2), dtype)
    problem.weight[...] = 0
    problem.p[..., :4] = np.inf
    problem.p[..., 4:6] = 1e30
    problem.p[..., 6:] = -1e30
    with pinned(take):
        y, h, c, _, _ = problem.forward()
    np.testing.assert_array_equal(y, np.zeros_like(y))
    np.testing.assert_allclose(c, problem.c + 3, rtol=1e-6)
    np.testing.assert_array_equal(h, np.zeros_like(h))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_without_a_backward_pass_nothing_is_kept(kind):
    problem = Problem(kind, (2, 3, 1, 4))
    kept = problem.forward()
    results = problem.forward(lambda function, *arguments: function(*arguments, keep=False))
    for found, expected in zip(results, kept, strict=True):
        assert found is None or np.array_equal(found, expected)
    assert results[-1] is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"p": np.ones((2, 3, 8))}, r"must be \(N, T, 1 or 2 directions, 4·H\), not \(2, 3, 8\)"),
        ({"p": np.ones((2, 3, 3, 8))}, "1 or 2 directions"),
        ({"p": np.ones((2, 3, 1, 7))}, "4·H"),
        ({"weight": np.ones((1, 2, 6))}, r"weight must have shape \(1, 2, 8\), not \(1, 2, 6\)"),
        ({"h": np.ones((2, 2))}, r"h must have shape \(1, 2, 2\), not \(2, 2\)"),
        ({"c": np.ones((1, 3, 2))}, r"c must have shape \(1, 2, 2\), not \(1, 3, 2\)"),
        (
            {"lengths": np.ones(3, int)},
            r"integers of shape \(2,\), not int64 of shape \(3,\)",
        ),
        ({"lengths": np.ones(2)}, "not float64"),
        ({"lengths": np.array([1, 4])}, "lengths must lie from 0 to 3, the number of steps"),
        ({"lengths": np.array([-1, 2])}, "lengths must lie from 0"),
    ],
)
def test_errors_name_the_argument(changes, text):
    problem = Problem("lstm", (2, 3, 1, 2))
    for name, value in changes.items():
        setattr(problem, name, value)
    with pytest.raises(ValueError, match=f"^recurrent.lstm_forward: .*{text}"):
        problem.forward()


def test_other_errors():
    with pytest.raises(ValueError, match=r"bias must have shape \(1, 6\), not \(2, 6\)"):
        problem = Problem("gru", (2, 3, 1, 2))
        problem.bias = np.ones((2, 6))
        problem.forward()
    with pytest.raises(ValueError, match="activation must be 'tanh' or 'relu', not 'gelu'"):
        recurrent.rnn_forward(*(np.ones((1, 1, 1, 1)), *np.ones((2, 1, 1, 1))), activation="gelu")
