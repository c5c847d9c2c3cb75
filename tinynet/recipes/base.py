"""What a recipe is: a documented experiment, complete enough to be run by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tinynet import functional as F

__all__ = ["Figure", "Recipe", "Settings"]


@dataclass(frozen=True)
class Figure:
    """A number that an experiment is measured by.

    Attributes:
        quantity: ``"parameters"``, to be met exactly, or ``"test_accuracy"``, to be reached, from 0 to 1.
        value: the number.
        origin: who states it.
        data: the data set that it was obtained on; None for any.
    """

    quantity: str
    value: float
    origin: str
    data: str | None = None

    def is_reached(self, obtained):
        """Whether an obtained number does justice to this one."""
        if self.quantity == "parameters":
            return obtained == self.value
        # A figure is printed with four decimals at most, so that is how finely numbers are compared.
        return round(obtained, 4) >= self.value


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train; see `tinynet.training.Trainer.fit`."""

    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Recipe:
    """A documented experiment.

    Attributes:
        name: what ``tinynet train`` calls it.
        title: one line that describes it.
        source: the document.
        settings: for each data set that it can train on (the first is the default), how.
        figures: the numbers it is measured by.
        model: ``model(input_shape, num_classes)`` builds the network for images (H, W, C).
        optimizer: ``optimizer(parameters, learning_rate)``.
        schedule: ``schedule(optimizer, learning_rate, total_steps)``, stepped after every batch; None
            keeps the rate as it is.
        loss: ``loss(logits, labels)``.
        regularizer: ``regularizer(model)``, a penalty that is added to the loss of every batch; or None.
        largest_pixel: the number for a full pixel in the images.
        shuffle: whether every pass over the training images takes them in another order.
        steps_per_epoch: how many batches an epoch has; None takes one pass over the training images.
        validation_images: how many of the training images are set aside to validate on. With 0 the test
            images serve for that, as in most of the documents; nothing is chosen by them.
    """

    name: str
    title: str
    source: str
    settings: Mapping[str, Settings]
    figures: tuple[Figure, ...]
    model: Callable
    optimizer: Callable
    schedule: Callable | None = None
    loss: Callable = F.cross_entropy
    regularizer: Callable | None = None
    largest_pixel: int = 1
    shuffle: bool = True
    steps_per_epoch: int | None = None
    validation_images: int = 0

    @property
    def default_data(self):
        """The name of the data set that it trains on unless told otherwise."""
        return next(iter(self.settings))

    def figures_for(self, data):
        """The figures that hold for the data set of this name."""
        return [figure for figure in self.figures if figure.data in (None, data)]
