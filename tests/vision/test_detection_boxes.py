"""Suppressing boxes that mark the same thing, and anchors for a data set."""

import numpy as np
import pytest

import tinynet as tn
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.vision import anchor_overlaps, cluster_anchors, non_maximum_suppression

BOXES = np.array([[0, 0, 4, 4], [1, 0, 5, 4], [0, 0, 4, 3], [8, 8, 9, 9], [8, 8, 9, 9]])
SCORES = np.array([0.7, 0.9, 0.8, 0.59, 0.6])


def test_the_documented_thresholds_are_the_default():
    """Overlaps with box 1: 0.6 of box 0, 9/19 of box 2. The score 0.59 is too low, 0.6 is not."""
    assert non_maximum_suppression(BOXES, SCORES).tolist() == [1, 2, 4]
    assert non_maximum_suppression(BOXES, SCORES, threshold=0.6).tolist() == [1, 2, 4]  # 0 overlaps 2 by 0.75
    assert non_maximum_suppression(BOXES, SCORES, threshold=0.4).tolist() == [1, 4]
    assert non_maximum_suppression(BOXES, SCORES, threshold=0.9).tolist() == [1, 2, 0, 4]
    assert non_maximum_suppression(BOXES, SCORES, least_score=0.85).tolist() == [1]


def test_every_class_by_itself():
    assert non_maximum_suppression(BOXES, SCORES, [0, 1, 0, 0, 0]).tolist() == [1, 2, 4]
    assert non_maximum_suppression(BOXES, SCORES, [0, 1, 2, 0, 0]).tolist() == [1, 2, 0, 4]


def test_several_images_at_once():
    boxes, scores = np.stack([BOXES, BOXES[::-1]]), np.stack([SCORES, np.zeros(5)])
    found = non_maximum_suppression(boxes, scores)
    assert [indices.tolist() for indices in found] == [[1, 2, 4], []]


def test_tensors_lists_and_no_boxes():
    boxes = tn.tensor(BOXES.astype(np.float32), requires_grad=True)
    assert non_maximum_suppression(boxes, tn.tensor(SCORES)).tolist() == [1, 2, 4]
    assert non_maximum_suppression(BOXES.tolist(), SCORES.tolist()).tolist() == [1, 2, 4]
    assert non_maximum_suppression(np.zeros((0, 4)), np.zeros(0)).tolist() == []
    assert non_maximum_suppression(np.zeros((0, 3, 4)), np.zeros((0, 3))) == []


def test_on_a_gpu_it_waits_for_the_number_of_boxes_only(watched, cuda):
    boxes, scores = (tn.tensor(array, device=cuda) for array in (BOXES.astype(float), SCORES))
    non_maximum_suppression(boxes, scores)  # compiles the kernels
    with watched() as waits:
        kept = non_maximum_suppression(boxes, scores)
    assert len(waits) == 1
    assert kept.get().tolist() == [1, 2, 4]


def test_scores_with_more_digits_than_the_boxes_are_not_rounded():
    boxes = np.zeros((2, 4), np.float32)
    scores = np.array([0.7, 0.7 + 1e-12])
    assert non_maximum_suppression(boxes, scores).tolist() == [1, 0]


def test_messages_of_suppression():
    with pytest.raises(ShapeError, match=r"boxes must be \(N, 4\) or \(B, N, 4\), but have shape \(4,\)"):
        non_maximum_suppression(BOXES[0], SCORES)
    with pytest.raises(
        ShapeError, match=r"scores have shape \(4,\), but boxes \(shape \(5, 4\)\) need \(5,\)"
    ):
        non_maximum_suppression(BOXES, SCORES[:4])
    with pytest.raises(DTypeError, match="classes must be integers, not float64"):
        non_maximum_suppression(BOXES, SCORES, SCORES)
    with pytest.raises(ArgumentError, match="threshold must be from 0 to 1, not 50"):
        non_maximum_suppression(BOXES, SCORES, threshold=50)


def test_overlaps_of_sizes():
    found = anchor_overlaps([[2, 4], [1, 1]], [[2, 4], [4, 2], [1, 8]])
    np.testing.assert_allclose(found, [[1, 4 / 12, 4 / 12], [1 / 8, 1 / 8, 1 / 8]])


def test_anchors_find_the_sizes_of_which_a_data_set_is_made(rng):
    sizes = np.array([[10.0, 20], [60, 30], [200, 180]])
    boxes = sizes[rng.integers(3, size=400)] * rng.uniform(0.9, 1.1, (400, 2))
    for seed in range(5):
        anchors, overlap = cluster_anchors(boxes, 3, seed)
        np.testing.assert_allclose(anchors, sizes, rtol=0.03)
        assert overlap > 0.9
    assert cluster_anchors(boxes, 1)[1] < 0.5


def test_each_anchor_is_the_mean_of_the_boxes_that_it_overlaps_most(rng):
    boxes = rng.uniform(5, 100, (300, 2))
    anchors, overlap = cluster_anchors(boxes, 5, seed=1)
    overlaps = anchor_overlaps(boxes, anchors)
    owners = overlaps.argmax(axis=1)
    means = [boxes[owners == index].mean(axis=0) for index in range(5)]
    np.testing.assert_allclose(anchors, means, rtol=1e-12)
    assert overlap == pytest.approx(overlaps.max(axis=1).mean())
    again, _ = cluster_anchors(boxes, 5, seed=1)
    np.testing.assert_array_equal(anchors, again)


def test_as_many_anchors_as_boxes_and_fewer_different_sizes():
    boxes = np.array([[1.0, 1], [9, 9], [3, 3]])
    anchors, overlap = cluster_anchors(boxes, 3)
    assert anchors.tolist() == [[1, 1], [3, 3], [9, 9]]
    assert overlap == 1
    anchors, overlap = cluster_anchors(np.ones((4, 2)), 2)
    assert anchors.tolist() == [[1, 1], [1, 1]]
    assert overlap == 1


def test_messages_of_clustering():
    with pytest.raises(ShapeError, match=r"sizes must be \(N, 2\), but have shape \(5, 4\)"):
        cluster_anchors(BOXES, 2)
    with pytest.raises(ArgumentError, match="count must be from 1 to 2, not 3"):
        cluster_anchors(np.ones((2, 2)), 3)
    with pytest.raises(ArgumentError, match="sizes must be above 0"):
        cluster_anchors(np.zeros((2, 2)), 1)
