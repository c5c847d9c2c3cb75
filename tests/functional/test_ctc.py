"""The CTC loss: its gradients, kinds of target, infinite losses, memory, error messages."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError, DTypeError, ShapeError

FUNCTIONS = pytest.mark.parametrize("function", [F.ctc_loss, F.ctc_loss_with_logits])


@FUNCTIONS
@pytest.mark.parametrize("labels", [[[1, 2]], [[1, 1]], [[2, 0]]], ids=str)
def test_both_ways_of_the_gradient_agree_to_second_order(rng, function, labels):
    x = rng.normal(size=(1, 4, 3))
    lengths = [4], [sum(label > 0 for label in labels[0])]
    assert tn.gradcheck(lambda x: function(x, labels, *lengths), x, order=2)


def test_logits_equal_log_probabilities_of_a_softmax(rng):
    x = tn.tensor(rng.normal(size=(3, 9, 5)), requires_grad=True)
    arguments = rng.integers(1, 5, (3, 4)), [9, 7, 8], [4, 2, 0]
    one, other = F.ctc_loss(F.log_softmax(x), *arguments), F.ctc_loss_with_logits(x, *arguments)
    np.testing.assert_allclose(one.item(), other.item(), rtol=1e-14)
    gradients = [tn.grad(loss, x).numpy() for loss in (one, other)]
    np.testing.assert_allclose(*gradients, rtol=0, atol=1e-14)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_pytorch_gives_the_same_over_random_lengths(rng, reduction):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    for _ in range(20):
        N, T, C, S = (int(rng.integers(low, high)) for low, high in ((1, 6), (1, 25), (2, 12), (1, 9)))
        x = rng.normal(scale=2, size=(N, T, C))
        lengths = rng.integers(1, T + 1, N), rng.integers(0, S + 1, N)
        targets = rng.integers(1, C, (N, S))
        if rng.random() < 0.5:
            targets = rng.integers(1, C, int(lengths[1].sum()))
        ours, theirs = tn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        options = {"reduction": reduction, "zero_infinity": True}
        losses = F.ctc_loss_with_logits(ours, targets, *lengths, **options)
        expected = torch.nn.functional.ctc_loss(
            torch.log_softmax(theirs, 2).transpose(0, 1), *map(torch.tensor, (targets, *lengths)), **options
        )
        np.testing.assert_allclose(losses.numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
        weights = rng.normal(size=losses.shape)
        (gradient,) = torch.autograd.grad(expected, theirs, torch.tensor(weights))
        found = tn.grad(losses, ours, weights)
        np.testing.assert_allclose(found.numpy(), gradient.numpy(), rtol=0, atol=1e-10)


@FUNCTIONS
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_impossible_labels(rng, function, create_graph, reduction):
    x = tn.tensor(rng.normal(size=(2, 3, 4)), requires_grad=True)
    labels = [[1, 1, 1], [1, 2, 3]]
    losses = function(x, labels, reduction=reduction)
    assert losses.numpy().max() == np.inf
    without = function(x, labels, reduction=reduction, zero_infinity=True)
    assert np.isfinite(without.numpy()).all()
    for loss in (losses, without):
        weights = np.ones(loss.shape)
        gradient = tn.grad(loss, x, weights, create_graph=create_graph).numpy()
        np.testing.assert_array_equal(gradient[0], 0)
        assert np.isfinite(gradient[1]).all()
        assert gradient[1].any()


def test_gradients_of_a_graph_that_is_kept_are_independent(rng):
    x = tn.tensor(rng.normal(size=(2, 5, 4)), requires_grad=True)
    loss = F.ctc_loss_with_logits(x, [[1, 2], [3, 3]])
    first = tn.grad(loss, x, retain_graph=True)
    expected = first.numpy().copy()
    first.data[...] = 7
    np.testing.assert_array_equal(tn.grad(loss, x).numpy(), expected)


def test_modules_set_the_options_beforehand(rng):
    x = rng.normal(size=(2, 6, 4))
    labels, lengths = [[1, 2, 0], [3, 1, 0]], ([6, 5], [2, 1])
    module = nn.CTCWithLogitsLoss(blank=0, reduction="sum")
    expected = F.ctc_loss_with_logits(x, labels, *lengths, reduction="sum").item()
    assert module(x, labels, *lengths).item() == expected
    log_p = F.log_softmax(x)
    np.testing.assert_allclose(nn.CTCLoss(reduction="sum")(log_p, labels, *lengths).item(), expected)
    assert nn.CTCLoss(zero_infinity=True)(log_p, [[1, 1, 1, 1]] * 2).item() == 0
    assert repr(nn.CTCLoss(blank=3)) == "CTCLoss(reduction='mean', blank=3)"


def test_loss_falls_while_training(rng):
    """A network of one layer learns where two labels stand that it is told only the order of."""
    x = tn.tensor(rng.normal(size=(1, 12, 6)).astype(np.float32))
    tn.manual_seed(0)
    layer = nn.Linear(6, 4)
    optimizer = tn.optim.Adam(layer.parameters(), 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.ctc_loss_with_logits(layer(x), [[2, 1]])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3


@FUNCTIONS
def test_errors(function):
    name = function.__name__
    x, labels = np.zeros((2, 5, 4)), [[1, 2, 3], [3, 2, 1]]
    with pytest.raises(
        ShapeError, match=rf"{name}: .* must be \(N, T, C\) with C at least 1, but have shape"
    ):
        function(x[0], labels)
    with pytest.raises(ShapeError, match=rf"{name}: targets have shape \(1, 3\), but .* need \(2, S\)"):
        function(x, labels[:1])
    with pytest.raises(ShapeError, match=rf"{name}: input_lengths have shape \(3,\), but .* need \(2,\)"):
        function(x, labels, [5, 5, 5])
    with pytest.raises(DTypeError, match=f"{name}: targets must be integers, not float64"):
        function(x, np.ones((2, 3)))
    with pytest.raises(DTypeError, match=f"{name}: target_lengths must be integers"):
        function(x, labels, None, np.array([1.0, 2.0]))
    with pytest.raises(ArgumentError, match=rf"{name}: blank is 4, which is not one of the 4 classes"):
        function(x, labels, blank=4)
    with pytest.raises(ArgumentError, match=f"{name}: label 1 of row 0 is 2, which is the blank"):
        function(x, labels, blank=2)
    with pytest.raises(ArgumentError, match=rf"{name}: input_lengths\[1\] is 6, which is not in 0 … 5"):
        function(x, labels, [5, 6])
    with pytest.raises(ArgumentError, match=f"{name}: targets of shape .*, need target_lengths"):
        function(x, [1, 2, 3])
    with pytest.raises(ArgumentError, match=r"sum to the number of targets, 3, but are \[1, 1\]"):
        function(x, [1, 2, 3], None, [1, 1])
    with pytest.raises(ArgumentError, match="reduction must be 'none', 'mean' or 'sum', not 'most'"):
        function(x, labels, reduction="most")
