"""What becomes of a detector's boxes: of several that mark the same thing, one."""

import numpy as np

from tinynet.autograd import as_tensor
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.functional.conversion import floating
from tinynet_kernels import boxes as kernels

__all__ = ["non_maximum_suppression"]


def non_maximum_suppression(boxes, scores, classes=None, threshold=0.5, least_score=0.6):
    """Greedy non-maximum suppression, for each class by itself.

    Boxes of a low score are left out. Then the box of the highest score is kept, every box of the same class
    that overlaps it by more than the threshold is dropped, and so on with those that are left. Of equal
    scores the lower index comes first.

    Args:
        boxes: (N, 4), corners (x0, y0, x1, y1); or (B, N, 4), those of B images.
        scores: (N,) or (B, N), how sure the detector is of each.
        classes: integers of the shape of the scores, or None for a single class.
        threshold: an intersection over union, from 0 to 1; that of two boxes which are kept can be equal to
            it.
        least_score: boxes of a lower score, or of NaN, are left out; −inf keeps all.

    Returns:
        The indices of the boxes that are kept, highest score first: an integer array (K,), or a list of B of
        them. On a GPU this waits until it is known how many there are;
        `tinynet_kernels.boxes.suppress` does not.

    Raises:
        ShapeError: the shapes do not fit together.
        DTypeError: the classes are no integers.
        ArgumentError: the threshold is out of range.
    """
    boxes, scores = floating(as_tensor(boxes)), floating(as_tensor(scores))
    classes = None if classes is None else as_tensor(classes)
    _check(boxes, scores, classes, threshold)
    dtype = np.promote_types(boxes.dtype, scores.dtype)
    kept, counts = kernels.suppress(
        boxes.data.astype(dtype, copy=False),
        scores.data.astype(dtype, copy=False),
        threshold,
        None if classes is None else classes.data,
        least_score,
    )
    counts = counts.tolist()
    if boxes.ndim == 2:
        return kept[:counts]
    return [indices[:count] for indices, count in zip(kept, counts, strict=True)]


def _check(boxes, scores, classes, threshold):
    if boxes.ndim not in (2, 3) or boxes.shape[-1] != 4:
        raise ShapeError(
            f"non_maximum_suppression: boxes must be (N, 4) or (B, N, 4), but have shape {boxes.shape}"
        )
    for name, value in (("scores", scores), ("classes", classes)):
        if value is not None and value.shape != boxes.shape[:-1]:
            raise ShapeError(
                f"non_maximum_suppression: {name} have shape {value.shape}, but boxes (shape {boxes.shape}) "
                f"need {boxes.shape[:-1]}"
            )
    if classes is not None and classes.dtype.kind not in "iu":
        raise DTypeError(f"non_maximum_suppression: classes must be integers, not {classes.dtype}")
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"non_maximum_suppression: threshold must be from 0 to 1, not {threshold}")
