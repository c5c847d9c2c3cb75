"""Boxes: round trips, the losses by hand and against PyTorch's gradients, degenerate boxes, messages."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import ArgumentError, ShapeError

MEASURES = [F.box_iou, F.generalized_box_iou, F.distance_box_iou, F.complete_box_iou]
LOSSES = [F.generalized_box_iou_loss, F.distance_box_iou_loss, F.complete_box_iou_loss]


def drawn(rng, *shape):
    start = rng.uniform(0, 3, (*shape, 2))
    return np.concatenate([start, start + rng.uniform(0.5, 3, (*shape, 2))], axis=-1)


def test_conversion_there_and_back(rng):
    boxes = drawn(rng, 2, 5)
    np.testing.assert_allclose(F.centres_to_corners(F.corners_to_centres(boxes)).numpy(), boxes, atol=1e-15)
    assert F.corners_to_centres([[1, 2, 5, 4]]).tolist() == [[3, 3, 4, 2]]
    assert F.centres_to_corners([[3, 3, 4, 2]]).tolist() == [[1, 2, 5, 4]]


def test_measures_by_hand():
    """Two squares of side 2 whose corners overlap in a square of side 1, and two that lie apart."""
    a, b = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 3, 3], [4, 0, 6, 2]])
    found = [measure(a, b).numpy()[0] for measure in MEASURES]
    iou, generalized = [1 / 7, 0], [1 / 7 - 2 / 9, -4 / 12]
    distance = [1 / 7 - 2 / 18, -16 / 40]
    np.testing.assert_allclose(found, [iou, generalized, distance, distance], rtol=0, atol=1e-15)


def test_proportions_by_hand():
    a, b = np.array([[0.0, 0, 4, 4]]), np.array([[1.0, 0, 3, 4]])  # one has half of the other's width
    v = 4 / math.pi**2 * (math.atan(1) - math.atan(0.5)) ** 2
    np.testing.assert_allclose(F.distance_box_iou(a, b).numpy(), [[0.5]])
    np.testing.assert_allclose(F.complete_box_iou(a, b).numpy(), [[0.5 - v * v / (0.5 + v)]])


@pytest.mark.parametrize("measure", MEASURES)
def test_a_box_agrees_with_itself(rng, measure):
    boxes = drawn(rng, 4)
    np.testing.assert_allclose(np.diag(measure(boxes, boxes).numpy()), 1, rtol=0, atol=1e-15)


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_of_boxes_with_themselves(rng, create_graph):
    array = drawn(rng, 5)
    gy = rng.normal(size=(5, 5))
    boxes, a, b = (tn.tensor(array, requires_grad=True) for _ in range(3))
    (found,) = tn.grad(F.box_iou(boxes, boxes), [boxes], gy, create_graph=create_graph)
    one, other = tn.grad(F.box_iou(a, b), [a, b], gy, create_graph=create_graph)
    np.testing.assert_allclose(found.numpy(), (one + other).numpy(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("wanted", [0, 1])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradient_by_one_of_them_only(rng, wanted, create_graph):
    arrays, gy = (drawn(rng, 3), drawn(rng, 4)), rng.normal(size=(3, 4))
    tensors = [tn.tensor(array, requires_grad=True) for array in arrays]
    expected = tn.grad(F.box_iou(*tensors), tensors, gy)[wanted]
    tensors = [tn.tensor(array, requires_grad=index == wanted) for index, array in enumerate(arrays)]
    (found,) = tn.grad(F.box_iou(*tensors), [tensors[wanted]], gy, create_graph=create_graph)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("coincide", [False, True])
def test_kernel_and_composition_have_the_same_gradient(rng, coincide):
    arrays = drawn(rng, 2, 6), drawn(rng, 2, 5)
    if coincide:
        arrays = tuple(map(np.round, arrays))  # edges in the same place, boxes that touch, some without area
    gy = rng.normal(size=(2, 6, 5))
    tensors = [tn.tensor(array, requires_grad=True) for array in arrays]
    plain, recorded = (
        tn.grad(F.box_iou(*tensors), tensors, gy, create_graph=create_graph) for create_graph in (False, True)
    )
    for one, other in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=0, atol=1e-13)


def test_the_complete_loss_takes_its_weight_for_a_constant(rng):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    arrays = drawn(rng, 7), drawn(rng, 7)
    ours = [tn.tensor(array, requires_grad=True) for array in arrays]
    losses = F.complete_box_iou_loss(*ours, reduction="none")
    losses.sum().backward()

    a, b = twins = [torch.tensor(array, requires_grad=True) for array in arrays]
    sides_a, sides_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    shared = torch.relu(torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).prod(dim=1)
    iou = shared / (sides_a.prod(dim=1) + sides_b.prod(dim=1) - shared)
    diagonal = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    angles = [torch.atan(sides[:, 0] / sides[:, 1]) for sides in (sides_a, sides_b)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    with torch.no_grad():
        weight = v / (1 - iou + v)
    expected = 1 - iou + (apart**2).sum(dim=1) / (diagonal**2).sum(dim=1) + weight * v
    expected.sum().backward()
    np.testing.assert_allclose(losses.numpy(), expected.detach().numpy(), rtol=0, atol=1e-14)
    for tensor, twin in zip(ours, twins, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), twin.grad.numpy(), rtol=0, atol=1e-13)
    pairs = F.complete_box_iou(*arrays).numpy()
    np.testing.assert_allclose(1 - losses.numpy(), np.diag(pairs), rtol=0, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_descent_brings_boxes_that_lie_apart_together(loss):
    target = np.array([[6.0, 6, 9, 8], [0, 0, 2, 2]])
    boxes = nn.Parameter(np.array([[0.0, 0, 2, 2], [5, 0, 9, 1]]))
    optimizer = optim.Adam([boxes], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss(boxes, target).backward()
        optimizer.step()
    np.testing.assert_array_less(0.9, np.diag(F.box_iou(boxes, target).numpy()))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("same", [False, True])
def test_points_have_finite_losses_and_gradients(loss, same):
    points = np.array([[1.0, 1, 1, 1]])
    boxes = tn.tensor(points, requires_grad=True)
    value = loss(boxes, points if same else points + 2)
    value.backward()
    assert np.isfinite(value.numpy())
    assert np.isfinite(boxes.grad.numpy()).all()


@pytest.mark.parametrize("function", [F.box_iou, *LOSSES])
def test_nothing_waits_for_the_gpu(function, watched, cuda, rng):
    boxes = tn.tensor(drawn(rng, 6).astype(np.float32), device=cuda, requires_grad=True)
    target = tn.tensor(drawn(rng, 6).astype(np.float32), device=cuda)
    function(boxes, target).sum().backward()  # compiles the kernels
    with watched() as waits:
        function(boxes, target).sum().backward()
    assert waits == []
    assert np.isfinite(boxes.grad.numpy()).all()


def test_messages():
    boxes = np.zeros((3, 4))
    with pytest.raises(ShapeError) as error:
        F.box_iou(boxes, np.zeros((2, 3, 4)))
    assert str(error.value) == (
        "box_iou: a and b must be boxes (..., N, 4) and (..., M, 4), not (3, 4) and (2, 3, 4)"
    )
    with pytest.raises(ShapeError, match=r"generalized_box_iou: b must be boxes \(..., 4\), but has shape"):
        F.generalized_box_iou(boxes, boxes[:, :3])
    with pytest.raises(ShapeError, match=r"distance_box_iou_loss: target has shape \(2, 4\)"):
        F.distance_box_iou_loss(boxes, boxes[:2])
    with pytest.raises(ArgumentError, match="complete_box_iou_loss: reduction must be"):
        F.complete_box_iou_loss(boxes, boxes, reduction="max")
    with pytest.raises(ShapeError, match=r"corners_to_centres: boxes must be boxes \(..., 4\)"):
        F.corners_to_centres(np.zeros(3))
