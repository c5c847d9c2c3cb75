"""Anchor boxes: the sizes that boxes of a data set commonly have.

Source: Redmon & Farhadi, "YOLO9000: better, faster, stronger", 2017, section 2, "Dimension clusters".
"""

import numpy as np

from tinynet.errors import ArgumentError, ShapeError
from tinynet_kernels import boxes as kernels

__all__ = ["anchor_overlaps", "cluster_anchors"]


def anchor_overlaps(sizes, anchors):
    """Intersection over union of boxes and anchors that have a common corner.

    Args:
        sizes: (N, 2), width and height of boxes.
        anchors: (K, 2).

    Returns:
        (N, K).
    """
    return kernels.intersection_over_union(
        *(_at_origin(name, each) for name, each in (("sizes", sizes), ("anchors", anchors)))
    )


def cluster_anchors(sizes, count, seed=0, most_rounds=100):
    """The sizes of anchor boxes, by k-means with 1 − intersection over union as the distance.

    Euclidean distances would give most anchors to the large boxes. The first anchor is a box of the data set
    by chance; each of the others is a box as well, by chance in proportion to the squared distance from the
    nearest before (Arthur & Vassilvitskii, "k-means++", 2007). Then every box belongs to the anchor that it
    overlaps most, and every anchor becomes the mean size of its boxes, until none changes any more. An anchor
    without boxes becomes the box that all anchors overlap least.

    Args:
        sizes: (N, 2), width and height of the boxes of a data set, in any unit.
        count: how many anchors there are to be, at most N.
        seed: of the choice of the first ones.
        most_rounds: after so many rounds they are taken as they are.

    Returns:
        anchors (count, 2), float64, the smallest area first; and the mean over the boxes of the overlap with
        the best of them.

    Raises:
        ShapeError: the sizes are not (N, 2).
        ArgumentError: a size is not above 0, or there are fewer boxes than anchors.
    """
    sizes = np.asarray(sizes, np.float64)
    _check(sizes, count)
    anchors = _first_anchors(sizes, count, np.random.default_rng(seed))
    owners = None
    for _ in range(most_rounds):
        overlaps = anchor_overlaps(sizes, anchors)
        before, owners = owners, overlaps.argmax(axis=1)
        if before is not None and (before == owners).all():
            break
        anchors = _means(sizes, owners, overlaps)
    best = anchor_overlaps(sizes, anchors).max(axis=1)
    return anchors[np.argsort(anchors.prod(axis=1), kind="stable")], float(best.mean())


def _first_anchors(sizes, count, rng):
    chosen = [int(rng.integers(len(sizes)))]
    nearest = np.full(len(sizes), np.inf)
    for _ in range(1, count):
        nearest = np.minimum(nearest, 1 - anchor_overlaps(sizes, sizes[chosen[-1:]])[:, 0])
        chances = np.square(nearest)
        if chances.sum() > 0:
            chosen.append(int(rng.choice(len(sizes), p=chances / chances.sum())))
        else:  # there are fewer different sizes than anchors
            chosen.append(int(rng.integers(len(sizes))))
    return sizes[chosen]


def _means(sizes, owners, overlaps):
    best = overlaps.max(axis=1)
    anchors = np.empty((overlaps.shape[1], 2))
    for index in range(len(anchors)):
        own = owners == index
        if own.any():
            anchors[index] = sizes[own].mean(axis=0)
        else:
            farthest = int(best.argmin())
            anchors[index] = sizes[farthest]
            best[farthest] = 1
    return anchors


def _at_origin(name, sizes):
    sizes = np.asarray(sizes, np.float64)
    if sizes.ndim != 2 or sizes.shape[1] != 2:
        raise ShapeError(f"anchor_overlaps: {name} must be (N, 2), but have shape {sizes.shape}")
    return np.concatenate([np.zeros_like(sizes), sizes], axis=1)


def _check(sizes, count):
    if sizes.ndim != 2 or sizes.shape[1] != 2:
        raise ShapeError(f"cluster_anchors: sizes must be (N, 2), but have shape {sizes.shape}")
    if not 1 <= count <= len(sizes):
        raise ArgumentError(f"cluster_anchors: count must be from 1 to {len(sizes)}, not {count}")
    if not (sizes > 0).all():
        raise ArgumentError("cluster_anchors: sizes must be above 0")
