"""Where in an image a network reads which character."""

import numpy as np

from tinynet.errors import ShapeError
from tinynet.inspection.figures import new_figure, save_figure

__all__ = ["alignment_picture"]

BLANK = "blank"
PATH, SHADES = "#d1495b", "Blues"
INCHES_PER_STEP, INCHES_PER_ROW = 0.26, 0.24


def alignment_picture(path, image, probabilities, alphabet, centres=None, title=None, least=0.05):
    """Draws an image, below it the probability of each character at each step, and the best path in it.

    Args:
        path: the PNG file to write.
        image: (H, W, 1) greys, of any range.
        probabilities: (T, C), those of the classes at each step.
        alphabet: the `sequences.Alphabet` of the classes.
        centres: the columns of the image, (T,), under which the steps are drawn; None spreads them evenly.
            They may lie beyond the image, where it was filled up for the network.
        title: a text above; None takes what the best path says.
        least: characters that are nowhere more probable than this have no row.

    Returns:
        The path.

    Raises:
        ShapeError: the arrays do not belong together.
        MissingExtraError: Matplotlib isn't installed.
    """
    image, probabilities = np.asarray(image), np.asarray(probabilities)
    _check(image, probabilities, alphabet)
    best = probabilities.argmax(axis=1)
    rows = _rows(probabilities, alphabet.blank, best, least)
    height = max(1.0, INCHES_PER_ROW * len(rows))
    figure = new_figure(max(5.0, INCHES_PER_STEP * len(probabilities) + 1), 2.2 + height)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.6, height))
    above.imshow(image[..., 0], cmap="gray", extent=(0, image.shape[1], 1, 0), aspect="auto")
    above.set_yticks([])
    above.set_title(_best_path_text(best, alphabet) if title is None else title, parse_math=False)
    centres, edges = _places(image.shape[1], len(probabilities), centres)
    shades = below.pcolormesh(
        edges, np.arange(len(rows) + 1) - 0.5, probabilities[:, rows].T, cmap=SHADES, vmin=0, vmax=1
    )
    below.plot(centres, [rows.index(label) for label in best], "o-", color=PATH, markersize=3, linewidth=0.8)
    below.set_yticks(range(len(rows)), [_name(label, alphabet) for label in rows], parse_math=False)
    below.set(ylim=(len(rows) - 0.5, -0.5), xlabel="column of the image")
    below.set_xlim(0, max(image.shape[1], edges[-1]))
    figure.colorbar(shades, ax=below, label="probability", pad=0.01)
    return save_figure(figure, path, dots_per_inch=120)


def _places(columns, steps, centres):
    """The columns under which the steps are drawn, (T,), and where they begin and end, (T + 1,)."""
    distance = columns / steps
    if centres is None:
        centres = distance * (np.arange(steps) + 0.5)
    elif steps > 1:
        distance = float(centres[1] - centres[0])
    return centres, np.append(np.asarray(centres) - distance / 2, centres[-1] + distance / 2)


def _check(image, probabilities, alphabet):
    if image.ndim != 3 or image.shape[2] != 1:
        raise ShapeError(f"alignment_picture: image must be (H, W, 1), not {image.shape}")
    if probabilities.ndim != 2 or probabilities.shape[1] != alphabet.classes or not len(probabilities):
        raise ShapeError(
            f"alignment_picture: probabilities must be (T, {alphabet.classes}) with T at least 1, not "
            f"{probabilities.shape}"
        )


def _rows(probabilities, blank, best, least):
    """The classes that have a row: characters in the order of their best steps, then the blank."""
    shown = set(best.tolist()) | set(np.flatnonzero(probabilities.max(axis=0) > least).tolist())
    return [*sorted(shown - {blank}, key=lambda label: probabilities[:, label].argmax()), blank]


def _name(label, alphabet):
    return BLANK if label == alphabet.blank else alphabet.characters[label]


def _best_path_text(best, alphabet):
    changed = np.append(True, best[1:] != best[:-1])
    return alphabet.decode(best[changed & (best != alphabet.blank)])
