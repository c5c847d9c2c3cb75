"""On a GPU nobody looks at labels and probabilities: what is wrong makes the loss NaN, and nothing waits."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F

CLASSES = 3


def labels_with(wrong):
    return np.array([0, wrong, 2, 1])


def scores(rng):
    return rng.normal(size=(4, CLASSES)).astype(np.float32)


LABELLED = {
    "cross_entropy": F.cross_entropy,
    "nll_loss": lambda x, y, **options: F.nll_loss(F.log_softmax(x), y, **options),
    "multi_margin_loss": F.multi_margin_loss,
    "margin_loss": F.margin_loss,
}


@pytest.mark.parametrize("wrong", [-1, CLASSES, 2**40])
@pytest.mark.parametrize("loss", LABELLED.values(), ids=LABELLED)
def test_the_loss_of_a_wrong_label_is_nan(loss, wrong, cuda, watched, rng):
    x = tn.tensor(scores(rng), device=cuda, requires_grad=True)
    right = tn.tensor(labels_with(1), device=cuda)
    expected = loss(x, right, reduction="none").numpy()
    labels = tn.tensor(labels_with(wrong), device=cuda)
    with watched() as waits:
        losses = loss(x, labels, reduction="none")
        losses.sum().backward()
    assert waits == []
    assert np.isfinite(expected).all()
    assert np.isnan(losses.numpy()).tolist() == [False, True, False, False]
    np.testing.assert_allclose(losses.numpy()[[0, 2, 3]], expected[[0, 2, 3]], rtol=1e-6)
    assert np.isfinite(x.grad.numpy()[[0, 2, 3]]).all()


@pytest.mark.parametrize("loss", LABELLED.values(), ids=LABELLED)
def test_right_labels_give_what_they_give_on_the_cpu(loss, cuda, rng):
    x, y = scores(rng), labels_with(2)
    on_cpu, on_gpu = (tn.tensor(x, device=device, requires_grad=True) for device in ("cpu", cuda))
    expected, found = loss(on_cpu, tn.tensor(y)), loss(on_gpu, tn.tensor(y, device=cuda))
    expected.backward()
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(on_gpu.grad.numpy(), on_cpu.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_ignored_labels_are_not_wrong(cuda, rng):
    x = tn.tensor(scores(rng), device=cuda)
    y = tn.tensor(labels_with(-100), device=cuda)
    losses = F.nll_loss(F.log_softmax(x), y, reduction="none").numpy()
    assert losses[1] == 0
    assert np.isfinite(losses).all()


def test_probabilities_and_signs(cuda, watched):
    p = tn.tensor([0.5, -0.25, 1.5, 1.0], device=cuda)
    target = tn.tensor([1.0, 0.0, 1.0, 1.0], device=cuda)
    signs = tn.tensor([1.0, -1.0, 0.5, 0.0], device=cuda)
    F.hinge_loss(p, signs)
    with watched() as waits:
        losses = F.binary_cross_entropy(p, target, reduction="none")
        hinges = F.hinge_loss(p, signs, reduction="none")
    assert waits == []
    assert np.isnan(losses.numpy()).tolist() == [False, True, True, False]
    assert np.isnan(hinges.numpy()).tolist() == [False, False, True, True]
    np.testing.assert_allclose(hinges.numpy()[:2], [0.5, 0.75], rtol=1e-6)


def test_rows_of_labels_that_are_none(cuda, watched):
    labels = tn.tensor([1, 5, -1], device=cuda)
    with watched() as waits:
        rows = F.one_hot(labels, 3)
    assert waits == []
    np.testing.assert_array_equal(rows.numpy(), [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
