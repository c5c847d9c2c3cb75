"""Boxes, by plain loops over pairs."""

import math

import numpy as np

from operation_table.core import Input, Operation, normal, sample


def boxes(*shape):
    """Boxes in a field in which about half of them overlap, none of them without area."""

    def draw(rng, size):
        start = rng.uniform(0, 3, (*size[:-1], 2))
        return np.concatenate([start, start + rng.uniform(0.5, 3, (*size[:-1], 2))], axis=-1)

    return Input((*shape, 4), draw)


def area(box):
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def overlap(a, b):
    """Intersection over union, and the union, of two boxes."""
    shared = area([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])])
    union = area(a) + area(b) - shared
    return shared / union, union


def around(a, b):
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def generalized(a, b):
    value, union = overlap(a, b)
    whole = area(around(a, b))
    return value - (whole - union) / whole


def distance(a, b):
    x0, y0, x1, y1 = around(a, b)
    apart = [(a[k] + a[k + 2] - b[k] - b[k + 2]) / 2 for k in range(2)]
    return overlap(a, b)[0] - (apart[0] ** 2 + apart[1] ** 2) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)


def complete(a, b):
    angles = [math.atan((box[2] - box[0]) / (box[3] - box[1])) for box in (a, b)]
    v = 4 / math.pi**2 * (angles[0] - angles[1]) ** 2
    return distance(a, b) - v / (1 - overlap(a, b)[0] + v) * v


def of_pairs(measure):
    """The measure of all pairs of (..., N, 4) and (..., M, 4)."""

    def reference(a, b):
        if a.shape[:-2] != b.shape[:-2]:
            raise ValueError("the shapes differ")
        y = np.empty((*a.shape[:-1], b.shape[-2]))
        for *sets, n, m in np.ndindex(y.shape):
            y[*sets, n, m] = measure(a[*sets, n], b[*sets, m])
        return y

    return reference


def loss(measure):
    def reference(a, b, reduction="mean"):
        if a.shape != b.shape:
            raise ValueError("the shapes differ")
        losses = np.array([1 - measure(a[i], b[i]) for i in np.ndindex(a.shape[:-1])])
        if reduction == "none":
            return losses.reshape(a.shape[:-1])
        return losses.sum() / (losses.size or np.nan) if reduction == "mean" else losses.sum()

    return reference


def torch_area(torch, low, high):
    return torch.relu(high - low).prod(dim=-1)


def torch_box_iou(torch, a, b):
    a, b = a[..., :, None, :], b[..., None, :, :]
    shared = torch_area(torch, torch.maximum(a, b)[..., :2], torch.minimum(a, b)[..., 2:])
    return shared / (torch_area(torch, *a.split(2, -1)) + torch_area(torch, *b.split(2, -1)) - shared)


def centres_to_corners(boxes):
    return np.concatenate([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], axis=-1)


PAIRS = (sample(boxes(3), boxes(5)), sample(boxes(2, 4), boxes(2, 3)), sample(boxes(1), boxes(1)))
MATCHED = tuple([sample(boxes(2, 3), boxes(2, 3), reduction=kind) for kind in ("none", "mean", "sum")])

OPERATIONS = [
    Operation("box_iou", PAIRS, of_pairs(lambda a, b: overlap(a, b)[0]), torch_box_iou),
    Operation("generalized_box_iou", PAIRS, of_pairs(generalized)),
    Operation("distance_box_iou", PAIRS, of_pairs(distance)),
    Operation("complete_box_iou", PAIRS, of_pairs(complete)),
    Operation("generalized_box_iou_loss", MATCHED, loss(generalized)),
    Operation("distance_box_iou_loss", MATCHED, loss(distance)),
    Operation(
        "box_area",
        (sample(boxes(3)), sample(boxes(2, 2))),
        lambda boxes: np.maximum(boxes[..., 2:] - boxes[..., :2], 0).prod(axis=-1),
    ),
    Operation("centres_to_corners", (sample(normal(3, 4)), sample(normal(2, 2, 4))), centres_to_corners),
    Operation(
        "corners_to_centres",
        (sample(boxes(3)), sample(boxes(2, 2))),
        lambda boxes: np.concatenate(
            [(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], axis=-1
        ),
    ),
]
