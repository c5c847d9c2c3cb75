"""Pictures of capsules: what the decoder draws from them, what their numbers mean, how they are routed."""

import numpy as np

from tinynet.autograd import no_grad
from tinynet.errors import ShapeError
from tinynet.inspection.capsules import STEPS, capsule_sweep, reconstructions, routing_coefficients
from tinynet.inspection.figures import new_figure, save_figure
from tinynet.inspection.mosaics import greys_or_colours, mosaic, mosaics_picture
from tinynet.training.batches import Placement
from tinynet.training.trainer import Trainer

__all__ = [
    "capsule_sweep_picture",
    "coefficients_by_place",
    "reconstructions_picture",
    "routing_picture",
]

RIGHT, WRONG = "black", "red"
INCHES = 0.75  # of an image among many


def capsule_sweep_picture(path, model, image, label=None, steps=STEPS):
    """Draws a `capsule_sweep`, a row for each number of the capsule, to a PNG file; returns its path.

    Raises MissingExtraError when Matplotlib isn't installed.
    """
    drawn = capsule_sweep(model, image, label, steps)
    images = greys_or_colours("capsule_sweep_picture", drawn.reshape(-1, *drawn.shape[2:]))
    return mosaics_picture(path, [mosaic(images, len(steps))], inches=8.0)


def reconstructions_picture(path, model, images, labels, class_names=None, columns=12):
    """Draws images above what the decoder makes of their capsules: some read rightly, and some wrongly.

    Below an image stands the drawing from its longest capsule; below one that was read wrongly, also the
    drawing from the capsule of its true class. Titles say what was read, and what it is if that is something
    else.

    Args:
        path: the PNG file to write.
        model: a `CapsNet`.
        images: (N, H, W, C), converted as `Trainer.predict` converts inputs.
        labels: (N,) integers.
        class_names: the name of each class; None shows the numbers.
        columns: how many of either kind are shown at most, the first ones.

    Returns:
        The path.

    Raises:
        ShapeError: images and labels do not belong together, or the images are no greys or colours.
        MissingExtraError: Matplotlib isn't installed.

    Sabour, Frosst & Hinton, "Dynamic routing between capsules", 2017, figure 3.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise ShapeError(
            f"reconstructions_picture: {len(images)} images (shape {images.shape}) need labels of shape "
            f"({len(images)},), not {labels.shape}"
        )
    answers = Trainer(model).predict(images).argmax(axis=1)
    names = class_names or [str(number) for number in range(int(max(answers.max(), labels.max())) + 1)]
    rows = []
    for chosen, colour in ((answers == labels, RIGHT), (answers != labels, WRONG)):
        chosen = np.flatnonzero(chosen)[:columns]
        if not len(chosen):
            continue
        seen, true = images[chosen], labels[chosen]
        titles = [names[answer] for answer in answers[chosen]]
        if colour == WRONG:
            titles = [f"{title}, is {names[label]}" for title, label in zip(titles, true, strict=True)]
        rows += [("image", seen, titles, colour), ("drawn", reconstructions(model, seen), (), colour)]
        if colour == WRONG:
            rows.append(("true class", reconstructions(model, seen, true), (), colour))
    return _rows_picture(path, rows, columns)


def _rows_picture(path, rows, columns):
    """Rows, each of a name, images (M, H, W, C), their titles, or none, and the colour of these."""
    titled = sum(bool(titles) for _, _, titles, _ in rows)
    figure = new_figure(INCHES * (columns + 1), 0.1 + INCHES * len(rows) + 0.2 * titled)
    every = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (name, images, titles, colour) in zip(every, rows, strict=True):
        for place in axes:
            place.set_axis_off()
        axes[0].text(-0.1, 0.5, name, transform=axes[0].transAxes, ha="right", va="center", fontsize=8)
        for place, image in zip(axes, greys_or_colours("reconstructions_picture", images), strict=False):
            place.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for place, title in zip(axes, titles, strict=False):
            place.set_title(title, color=colour, fontsize=8)
    return save_figure(figure, path, dots_per_inch=150)


def routing_picture(path, model, image, class_names=None):
    """Draws where in an image the lower capsules are that each class is routed to, iteration by iteration.

    The image stands on the left. In the map of a class and an iteration, a place is as bright as the mean
    coefficient with which its primary capsules go to that class, each weighted by its length: what isn't
    there has nothing to say. The titles give the lengths of the classes' capsules at the end.

    Args:
        path: the PNG file to write.
        model: a `CapsNet`.
        image: (H, W, C), converted as `Trainer.predict` converts inputs.
        class_names: the name of each class; None shows the numbers.

    Returns:
        The path.

    Raises:
        ShapeError: the image is no grey or coloured one.
        MissingExtraError: Matplotlib isn't installed.
    """
    images = np.asarray(image)[np.newaxis]
    (picture,) = greys_or_colours("routing_picture", images)
    maps = coefficients_by_place(model, images)
    lengths = Trainer(model).predict(images)[0]
    iterations, _, _, classes = maps.shape
    names = class_names or [str(number) for number in range(classes)]
    figure = new_figure(INCHES * (classes + 2), 0.3 + INCHES * 1.1 * iterations)
    axes = figure.subplots(iterations, classes + 1, squeeze=False)
    for place in axes.flat:
        place.set_axis_off()
    axes[0, 0].imshow(picture, cmap="gray", interpolation="nearest")
    limits = {"vmin": maps.min(), "vmax": maps.max()}
    for iteration, row in enumerate(axes[:, 1:]):
        for index, place in enumerate(row):
            shown = place.imshow(maps[iteration, ..., index], **limits)
            if iteration == 0:
                place.set_title(f"{names[index]}: {lengths[index]:.2f}", fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.8).ax.tick_params(labelsize=7)
    return save_figure(figure, path, dots_per_inch=150)


def coefficients_by_place(model, images):
    """The coefficients of one image, averaged at each place: (iterations, rows, columns, classes)."""
    coefficients = routing_coefficients(model, images)[:, 0]
    with no_grad():
        (u,) = model.primary_capsules(*Placement(model)((images,))).numpy()
    iterations, lower, classes = coefficients.shape
    size = round((lower / model.primary.capsules) ** 0.5)
    at_places = (size, size, model.primary.capsules, 1)
    lengths = np.sqrt(np.square(u).sum(axis=-1)).reshape(at_places)
    coefficients = coefficients.reshape(iterations, *at_places[:3], classes)
    return (coefficients * lengths).sum(axis=3) / lengths.sum(axis=2)
