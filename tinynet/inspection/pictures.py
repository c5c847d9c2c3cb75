"""A sheet of images with what the model says about each."""

import numpy as np

from tinynet.errors import ShapeError
from tinynet.inspection.figures import new_figure, save_figure

__all__ = ["prediction_grid"]

RIGHT, WRONG = "black", "red"


def prediction_grid(path, images, probabilities, labels=None, class_names=None, columns=8):
    """Draws images in rows, each titled with its most likely class and the probability of that class.

    Args:
        path: the PNG file to write.
        images: (N, H, W, 1) greys or (N, H, W, 3) colours, of any range; black and white are the smallest
            and largest number of all images.
        probabilities: (N, classes), each row adding up to 1.
        labels: (N,) integers; a wrong answer has a red title that names the true class as well.
            None draws all titles in black.
        class_names: the name of each class; None shows the numbers.
        columns: how many images there are in a row.

    Returns:
        The path.

    Raises:
        ShapeError: the arrays do not belong together.
        MissingExtraError: Matplotlib isn't installed.
    """
    images, probabilities = np.asarray(images), np.asarray(probabilities)
    _check(images, probabilities, labels)
    class_names = class_names or [str(number) for number in range(probabilities.shape[1])]
    rows = max(1, -(-len(images) // columns))
    figure = new_figure(1.5 * columns, 1.75 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    for index, (place, image) in enumerate(zip(axes, _to_display(images), strict=False)):
        place.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        title, colour = _title(probabilities[index], None if labels is None else labels[index], class_names)
        place.set_title(title, color=colour, fontsize=9)
    return save_figure(figure, path)


def _check(images, probabilities, labels):
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ShapeError(
            f"prediction_grid: images should be (N, H, W, 1) or (N, H, W, 3), not of shape {images.shape}"
        )
    if probabilities.ndim != 2 or len(probabilities) != len(images):
        raise ShapeError(
            f"prediction_grid: {len(images)} images (shape {images.shape}) need probabilities of shape "
            f"({len(images)}, classes), not {probabilities.shape}"
        )
    if labels is not None and np.shape(labels) != (len(images),):
        raise ShapeError(
            f"prediction_grid: {len(images)} images (shape {images.shape}) need labels of shape "
            f"({len(images)},), not {np.shape(labels)}"
        )


def _to_display(images):
    """Numbers from 0 to 1; (N, H, W) for greys."""
    images = images.astype(np.float64)
    if images.size:
        lowest, highest = images.min(), images.max()
        images = (images - lowest) / max(highest - lowest, np.finfo(np.float64).tiny)
    return images[..., 0] if images.shape[-1] == 1 else images


def _title(probabilities, label, class_names):
    answer = int(np.argmax(probabilities))
    title = f"{class_names[answer]}, prob={probabilities[answer]:.2f}"
    if label is None or answer == label:
        return title, RIGHT
    return f"{title}\nis {class_names[int(label)]}", WRONG
