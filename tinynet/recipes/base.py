"""What recipes and studies are: documented experiments, complete enough to be run by their names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from tinynet import functional as F
from tinynet.autograd import Tensor

__all__ = ["Documented", "Figure", "Pixels", "Recipe", "Settings", "Study"]


@dataclass(frozen=True)
class Figure:
    """A number that an experiment is measured by.

    Attributes:
        quantity: what it is the number of, for example ``"parameters"`` or ``"test_accuracy"``, from 0 to 1.
        value: the number.
        origin: who states it.
        data: the data set that it was obtained on; None for any.
        goal: how it is to be met, ``"exactly"``, ``"at least"`` or ``"at most"``; None takes exactly for
            parameters and at least for everything else.
    """

    quantity: str
    value: float
    origin: str
    data: str | None = None
    goal: str | None = None

    def is_reached(self, obtained):
        """Whether an obtained number does justice to this one."""
        goal = self.goal or ("exactly" if self.quantity == "parameters" else "at least")
        if goal == "exactly":
            return obtained == self.value
        # A figure is printed with four decimals at most, so that is how finely numbers are compared.
        rounded = round(obtained, 4)
        return rounded >= self.value if goal == "at least" else rounded <= self.value


@dataclass(frozen=True)
class Pixels:
    """The numbers that a network is given for the pixels of an image: (pixel − mean) / deviation · largest.

    Attributes:
        largest: the number for a full pixel, before anything else; 0 stands for an empty one.
        mean, deviation: one number for each channel, for pixels from 0 to 1; None leaves them as they are.
    """

    largest: int = 1
    mean: tuple[float, ...] | None = None
    deviation: tuple[float, ...] | None = None

    def prepare(self, images):
        """Images (…, H, W, C) from 0 to 1 → what the network is given, float32."""
        images = np.asarray(images, np.float32)
        if self.mean is not None:
            images = images - np.asarray(self.mean, np.float32)
        if self.deviation is not None:
            images = images / np.asarray(self.deviation, np.float32)
        return images if self.largest == 1 else images * np.float32(self.largest)

    def restore(self, images):
        """The inverse of `prepare`: images that can be looked at."""
        images = np.asarray(images, np.float32) / np.float32(self.largest)
        if self.deviation is not None:
            images = images * np.asarray(self.deviation, np.float32)
        if self.mean is not None:
            images = images + np.asarray(self.mean, np.float32)
        return images


def softmax_of_scores(scores):
    """The probabilities that logits (N, classes) stand for, as an array of that shape."""
    return F.softmax(Tensor(scores)).numpy()


@dataclass(frozen=True)
class Settings:
    """How long and how fast to train; see `tinynet.training.Trainer.fit`."""

    epochs: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Documented:
    """What recipes and studies have in common.

    Attributes:
        name: what ``tinynet train`` calls it.
        title: one line that describes it.
        source: the document.
        settings: for each data set that it can train on (the first is the default), how.
        figures: the numbers it is measured by.
    """

    name: str
    title: str
    source: str
    settings: Mapping[str, Settings]
    figures: tuple[Figure, ...]

    def sized(self, full):
        """This experiment at the documented size if `full`, else as it is by default."""
        return self.full if full and self.full is not None else self

    @property
    def default_data(self):
        """The name of the data set that it trains on unless told otherwise."""
        return next(iter(self.settings))

    def figures_for(self, data):
        """The figures that hold for the data set of this name."""
        return [figure for figure in self.figures if figure.data in (None, data)]


@dataclass(frozen=True)
class Recipe(Documented):
    """The training of one network.

    Attributes:
        model: ``model(input_shape, num_classes)`` builds the network for images (H, W, C).
        optimizer: ``optimizer(parameters, learning_rate)``.
        schedule: ``schedule(optimizer, learning_rate, total_steps)``, stepped after every batch; None
            keeps the rate as it is.
        loss: ``loss(output, labels)``; in training the output may hold more than the scores. None takes the
            model's own method of that name.
        probabilities: ``probabilities(scores)``, arrays (N, classes) both: from what the network gives in
            inference to what people are shown.
        regularizer: ``regularizer(model)``, a penalty that is added to the loss of every batch; or None.
        pixels: what the network is given for the pixels of an image.
        augmentation: ``augmentation(image, rng)``, applied anew to each training image in every epoch, see
            `tinynet.data`; or None.
        shuffle: whether every pass over the training images takes them in another order.
        steps_per_epoch: how many batches an epoch has; None takes one pass over the training images.
        pictures: what is drawn of the trained network besides the usual pictures: a mapping from the names of
            files to ``draw(path, model, images, labels)``, which is given the test images as the network is.
        validation_images: how many of the training images are set aside to validate on. With 0 the test
            images serve for that, as in most of the documents; nothing is chosen by them.
        full: the same experiment at the documented size, where that is more than two cores do in minutes;
            None where the recipe is at that size itself.
    """

    model: Callable
    optimizer: Callable
    schedule: Callable | None = None
    loss: Callable | None = F.cross_entropy
    probabilities: Callable = softmax_of_scores
    regularizer: Callable | None = None
    pixels: Pixels = Pixels()
    augmentation: Callable | None = None
    shuffle: bool = True
    steps_per_epoch: int | None = None
    pictures: Mapping[str, Callable] = field(default_factory=dict)
    validation_images: int = 0
    full: Optional["Recipe"] = None

    @property
    def may_be_prolonged(self):
        """Whether a run of more epochs begins like one of fewer, so that it can be resumed with more."""
        return self.schedule is None

    def loss_of(self, model):
        """``loss(output, labels)`` for a model that this recipe made."""
        return model.loss if self.loss is None else self.loss


@dataclass(frozen=True)
class Study(Documented):
    """A comparison of several trainings, or something done with a trained network.

    Attributes:
        conduct: ``conduct(work)`` does it, with a `Work`, writes its pictures and tables into the folder,
            and returns the results, a dictionary from quantities to numbers.
        full: the same study at the documented size, or None.
    """

    conduct: Callable
    full: Optional["Study"] = None
    may_be_prolonged = False
