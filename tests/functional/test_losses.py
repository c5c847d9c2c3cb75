"""Losses: special cases, kinds of target, error messages."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet.errors import ArgumentError, DTypeError, ShapeError

ELEMENTWISE = [
    F.mse_loss,
    F.l1_loss,
    F.huber_loss,
    F.smooth_l1_loss,
    F.kl_div,
    F.binary_cross_entropy,
    F.binary_cross_entropy_with_logits,
    F.hinge_loss,
]


@pytest.mark.parametrize("target", [[2, 0], np.array([2, 0], np.uint8), tn.tensor([2, 0])], ids=type)
def test_labels_may_be_lists_arrays_and_tensors(target):
    logits = np.array([[0.0, 0.0, np.log(2)], [np.log(2), 0, 0]])
    np.testing.assert_allclose(F.cross_entropy(logits, target).item(), np.log(2))
    np.testing.assert_allclose(F.nll_loss(F.log_softmax(logits), target).item(), np.log(2))


def test_one_hot_targets_of_any_dtype_equal_labels(rng):
    logits, labels = rng.normal(size=(4, 3)).astype(np.float32), np.array([2, 0, 1, 1])
    expected = F.cross_entropy(logits, labels).item()
    for dtype in (np.int64, np.bool_, np.float64, np.float32):
        loss = F.cross_entropy(logits, np.eye(3, dtype=dtype)[labels])
        assert loss.dtype == np.float32
        assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("function", [F.cross_entropy, F.nll_loss])
def test_all_ignored(function):
    logits = tn.tensor(np.zeros((2, 3)), requires_grad=True)
    ignored = np.array([-100, -100])
    assert np.isnan(function(logits, ignored).item())
    assert function(logits, ignored, reduction="sum").item() == 0
    for create_graph in (False, True):
        gradient = tn.grad(function(logits, ignored), logits, create_graph=create_graph)
        np.testing.assert_array_equal(gradient.numpy(), 0)


def test_cross_entropy_of_huge_logits():
    logits = tn.tensor(np.array([[1e30, 0.0], [0.0, 1e30]], np.float32), requires_grad=True)
    losses = F.cross_entropy(logits, [0, 0], reduction="none")
    np.testing.assert_array_equal(losses.numpy(), np.array([0, 1e30], np.float32))
    losses.sum().backward()
    np.testing.assert_array_equal(logits.grad.numpy(), [[0, 0], [-1, 1]])


def test_cross_entropy_allows_impossible_classes():
    logits = tn.tensor(np.array([[0.0, -np.inf, 0.0]]), requires_grad=True)
    loss = F.cross_entropy(logits, [2])
    np.testing.assert_allclose(loss.item(), np.log(2))
    loss.backward()
    np.testing.assert_allclose(logits.grad.numpy(), [[0.5, 0, -0.5]])


def test_cross_entropy_of_the_impossible_is_infinite():
    assert F.cross_entropy(np.array([[0.0, -np.inf]]), [1]).item() == np.inf


def test_gradients_reach_a_target_of_probabilities(rng):
    logits = tn.tensor(rng.normal(size=(2, 3)))
    target = tn.tensor(np.full((2, 3), 1 / 3), requires_grad=True)
    F.cross_entropy(logits, target, reduction="sum").backward()
    np.testing.assert_allclose(target.grad.numpy(), -F.log_softmax(logits).numpy())


def test_class_weights_are_constants(rng):
    weights = tn.tensor(np.ones(3), requires_grad=True)
    logits = tn.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    F.cross_entropy(logits, [0, 1], class_weights=weights).backward()
    assert weights.grad is None
    assert logits.grad is not None


def test_targets_take_the_dtype_of_the_predictions():
    x = np.ones((2, 3), np.float32)
    for target in (np.ones((2, 3)), np.ones((2, 3), np.int32), np.ones((2, 3), bool), [[1.0] * 3] * 2):
        assert F.mse_loss(x, target).dtype == np.float32
    assert F.mse_loss(x.astype(np.float64), x).dtype == np.float64


def test_binary_cross_entropy_is_at_most_100():
    p = tn.tensor(np.array([0.0, 1.0, 0.0, 1.0], np.float32), requires_grad=True)
    losses = F.binary_cross_entropy(p, [1, 0, 0, 1], reduction="none")
    np.testing.assert_array_equal(losses.numpy(), [100, 100, 0, 0])
    for create_graph in (False, True):
        gradient = tn.grad(losses, p, np.ones(4, np.float32), create_graph=create_graph, retain_graph=True)
        np.testing.assert_allclose(gradient.numpy(), [-1e12, 1e12, 0, 0])


def test_gradient_of_binary_cross_entropy_by_its_target_at_the_ends():
    target = tn.tensor(np.array([0.5, 0.5]), requires_grad=True)
    losses = F.binary_cross_entropy(np.array([0.0, 1.0]), target, reduction="none")
    for create_graph in (False, True):
        gradient = tn.grad(losses, target, np.ones(2), create_graph=create_graph, retain_graph=True)
        np.testing.assert_allclose(gradient.numpy(), [100, -100])


def test_binary_cross_entropy_lets_nan_through():
    assert np.isnan(F.binary_cross_entropy(np.array([np.nan, 0.5]), [1, 0]).item())


def test_binary_cross_entropy_of_extreme_logits():
    logits = tn.tensor(np.array([-1e30, 1e30, -40.0, 40.0], np.float32), requires_grad=True)
    losses = F.binary_cross_entropy_with_logits(logits, [1, 1, 0, 1], reduction="none")
    np.testing.assert_allclose(losses.numpy(), [1e30, 0, np.exp(-40), np.exp(-40)], rtol=1e-6)
    losses.sum().backward()
    np.testing.assert_allclose(logits.grad.numpy(), [-1, 0, np.exp(-40), 0], rtol=1e-6, atol=1e-30)


def test_binary_cross_entropy_of_logits_equals_that_of_probabilities(rng):
    logits, target = rng.normal(size=(3, 4)), rng.random((3, 4))
    np.testing.assert_allclose(
        F.binary_cross_entropy_with_logits(logits, target).item(),
        F.binary_cross_entropy(F.sigmoid(logits), target).item(),
    )


def test_kl_div_with_impossible_outcomes():
    x = tn.tensor(np.array([[-np.inf, 0.0]]), requires_grad=True)
    loss = F.kl_div(x, np.array([[0.0, 1.0]]), reduction="batchmean")
    assert loss.item() == 0
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[0, -1]])


def test_cosine_of_a_zero_vector_is_zero():
    x = tn.tensor(np.zeros((1, 3)), requires_grad=True)
    y = F.cosine_similarity(x, np.ones((1, 3)))
    assert y.item() == 0
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_huber_and_smooth_l1_are_the_same_up_to_a_factor(rng):
    x, y = rng.normal(size=(2, 20))
    np.testing.assert_allclose(
        F.huber_loss(x, y, delta=0.3).item(), 0.3 * F.smooth_l1_loss(x, y, beta=0.3).item()
    )


def test_hinge_loss_by_hand():
    losses = F.hinge_loss([0.5, 2.0, 0.5], [1, 1, -1], reduction="none")
    np.testing.assert_allclose(losses.numpy(), [0.5, 0, 1.5])


@pytest.mark.parametrize("loss", ELEMENTWISE, ids=lambda loss: loss.__name__)
def test_shapes_are_not_broadcast(loss):
    with pytest.raises(
        ShapeError, match=rf"^{loss.__name__}: target has shape \(4,\) but \w+ have shape \(4, 1\)$"
    ):
        loss(np.full((4, 1), 0.5), np.ones(4))


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss, F.multi_margin_loss], ids=lambda f: f.__name__)
def test_labels_are_checked(loss):
    x, name = np.zeros((8, 10), np.float32), loss.__name__
    with pytest.raises(
        ShapeError, match=rf"^{name}: target has shape \(7,\) but \w+ of shape \(8, 10\) need"
    ):
        loss(x, np.zeros(7, int))
    with pytest.raises(
        ShapeError, match=rf"^{name}: target has shape \(8, 1\) but \w+ of shape \(8, 10\) need"
    ):
        loss(x, np.zeros((8, 1), int))
    with pytest.raises(
        DTypeError, match=rf"^{name}: target of shape \(8,\) must hold integer labels, not float64"
    ):
        loss(x, np.zeros(8))
    wrong = np.zeros(8, int)
    wrong[3] = 10
    with pytest.raises(
        ArgumentError,
        match=rf"^{name}: the label in row 3 is 10 but \w+ of shape \(8, 10\) have the classes 0 to 9",
    ):
        loss(x, wrong)
    with pytest.raises(ArgumentError, match=rf"^{name}: the label at position \(1, 0, 2\) is -1 but "):
        loss(np.zeros((2, 1, 3, 4)), np.array([[[0, 1, 2]], [[3, 0, -1]]]))
    with pytest.raises(
        ShapeError, match=rf"^{name}: \w+ must have classes along the last axis, not shape \(8, 0\)"
    ):
        loss(np.zeros((8, 0)), np.zeros(8, int))
    with pytest.raises(
        ShapeError,
        match=rf"^{name}: class_weights has shape \(9,\) but scores of shape \(8, 10\) need \(10,\)$",
    ):
        loss(x, np.zeros(8, int), class_weights=np.ones(9))


def test_an_ignored_index_is_named():
    with pytest.raises(ArgumentError, match=r"is 255 but .* \(and -1 is ignored\)$"):
        F.cross_entropy(np.zeros((2, 3)), [-1, 255], ignore_index=-1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F.cross_entropy(np.zeros((2, 3)), np.zeros((2, 4))),
            ShapeError,
            r"cross_entropy: target has shape \(2, 4\) but logits of shape \(2, 3\) need labels of shape "
            r"\(2,\) or probabilities of shape \(2, 3\)",
        ),
        (
            lambda: F.cross_entropy(np.zeros((2, 3)), np.zeros((2, 3)), ignore_index=0),
            ArgumentError,
            r"cross_entropy: ignore_index \(0\) is for labels, but target \(shape \(2, 3\)\) "
            "holds probabilities",
        ),
        (
            lambda: F.cross_entropy(np.zeros((2, 3)), [0, 1], label_smoothing=1.5),
            ArgumentError,
            r"cross_entropy: label_smoothing must lie in \[0, 1\], not 1.5",
        ),
        (
            lambda: F.binary_cross_entropy([0.5, 1.5], [1, 1]),
            ArgumentError,
            r"binary_cross_entropy: probabilities must lie in \[0, 1\] but hold 1.5 in row 1; for scores "
            "before the sigmoid take binary_cross_entropy_with_logits",
        ),
        (
            lambda: F.binary_cross_entropy([0.5, 0.5], [1, 1], weight=np.ones(3)),
            ShapeError,
            r"binary_cross_entropy: weight of shape \(3,\) does not broadcast to predictions of shape \(2,\)",
        ),
        (
            lambda: F.binary_cross_entropy_with_logits([0.5], [1], positive_weight=np.ones((2, 1))),
            ShapeError,
            r"binary_cross_entropy_with_logits: positive_weight of shape \(2, 1\) does not broadcast to "
            r"predictions of shape \(1,\)",
        ),
        (
            lambda: F.hinge_loss([[1.0, 2.0]], [[1, 0]]),
            ArgumentError,
            r"hinge_loss: target must be −1 or 1 but is 0 at position \(0, 1\)",
        ),
        (
            lambda: F.multi_margin_loss(np.zeros((1, 2)), [0], power=3),
            ArgumentError,
            "multi_margin_loss: power must be 1 or 2, not 3",
        ),
        (
            lambda: F.huber_loss([1.0], [1.0], delta=0),
            ArgumentError,
            "huber_loss: delta must be above 0, not 0",
        ),
        (
            lambda: F.smooth_l1_loss([1.0], [1.0], beta=-1),
            ArgumentError,
            "smooth_l1_loss: beta must not be below 0, not -1",
        ),
        (
            lambda: F.cosine_similarity(np.zeros((2, 3)), np.zeros((2, 4))),
            ShapeError,
            r"cosine_similarity: shapes \(2, 3\) and \(2, 4\) do not broadcast: .*",
        ),
        (
            lambda: F.cosine_similarity(np.zeros(3), np.zeros(3), axis=1),
            ShapeError,
            r"cosine_similarity: axis 1 is out of range for x of shape \(3,\)",
        ),
        (
            lambda: F.kl_div([0.0], [1.0], reduction="average"),
            ArgumentError,
            "kl_div: reduction must be 'none', 'mean', 'batchmean' or 'sum', not 'average'",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        call()


@pytest.mark.parametrize(
    "loss",
    [*ELEMENTWISE, F.cross_entropy, F.nll_loss, F.multi_margin_loss],
    ids=lambda loss: loss.__name__,
)
def test_an_unknown_reduction_is_refused(loss):
    with pytest.raises(ArgumentError, match=rf"^{loss.__name__}: reduction must be 'none', .*, not 'avg'$"):
        loss(np.full((2, 2), 0.5), np.ones((2, 2)), reduction="avg")
