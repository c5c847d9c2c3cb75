"""Where on an image a sliding classifier sees what."""

import numpy as np

from tinynet.errors import ShapeError
from tinynet.inspection.figures import new_figure, save_figure

__all__ = ["windows_picture"]

FRAME = "#19d3ff"
WIDTH = 3.6  # inches of each panel


def windows_picture(path, image, probabilities, window, stride, class_names=None, classes=3):
    """Draws, for the classes that a sliding classifier is surest of, how sure it is at each place.

    Each panel shows the image under the probabilities of one class, the brighter the likelier, each where the
    middle of its window is. A frame marks the window with the largest one, which stands in the title.

    Args:
        path: the PNG file to write.
        image: (H, W, 1) or (H, W, 3), from 0 to 1.
        probabilities: (rows, columns, classes): entry (i, j) belongs to the window whose first pixel is
            (i · down, j · right), as `nn.fully_convolutional` or `vision.classify_windows` give them.
        window: (h, w) of the windows.
        stride: (down, right).
        class_names: the name of each class; None shows the numbers.
        classes: how many classes are drawn.

    Returns:
        The path.

    Raises:
        ShapeError: the image or the probabilities have other axes.
        MissingExtraError: Matplotlib isn't installed.
    """
    image, probabilities = np.asarray(image), np.asarray(probabilities)
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ShapeError(f"windows_picture: image should be (H, W, 1) or (H, W, 3), not {image.shape}")
    if probabilities.ndim != 3 or not probabilities.size:
        raise ShapeError(
            f"windows_picture: probabilities should be (rows, columns, classes), not {probabilities.shape}"
        )
    class_names = class_names or [str(number) for number in range(probabilities.shape[-1])]
    surest = np.argsort(-probabilities.max(axis=(0, 1)), kind="stable")[:classes]
    height = WIDTH * image.shape[0] / image.shape[1] + 0.3
    figure = new_figure(WIDTH * len(surest), height)
    for axes, number in zip(figure.subplots(1, len(surest), squeeze=False)[0], surest, strict=True):
        _draw(axes, image, probabilities[..., number], window, stride, class_names[number])
    return save_figure(figure, path, dots_per_inch=150)


def _draw(axes, image, likely, window, stride, name):
    from matplotlib.patches import Rectangle

    (down, right), (height, width) = stride, window
    grey = image.mean(axis=-1).clip(0, 1)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=(0, image.shape[1], image.shape[0], 0))
    rows, columns = likely.shape
    left, top = (width - right) / 2, (height - down) / 2
    extent = (left, left + columns * right, top + rows * down, top)
    axes.imshow(likely, cmap="inferno", vmin=0, vmax=1, alpha=0.6, extent=extent, interpolation="nearest")
    row, column = np.unravel_index(likely.argmax(), likely.shape)
    corner = (column * right, row * down)
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=FRAME, linewidth=1.5))
    axes.set_xlim(0, image.shape[1])
    axes.set_ylim(image.shape[0], 0)
    axes.set_axis_off()
    axes.set_title(f"{name}, prob={likely.max():.2f}", fontsize=9)
