"""A finished run, read back from its folder to be used."""

from pathlib import Path

import numpy as np

from tinynet.data.decoding import decode_image
from tinynet.errors import DataError
from tinynet.recipes import data as data_sets
from tinynet.recipes.base import Study
from tinynet.recipes.experiment import MODEL
from tinynet.recipes.framing import frame_image
from tinynet.recipes.report import read_report
from tinynet.training import Trainer

__all__ = ["Run"]


class Run:
    """The model of a run with what belongs to it.

    Args:
        folder: the folder of the run.
        recipe: the recipe that it ran; see `tinynet.recipes.get`.

    Attributes:
        recipe: the recipe, at the size that it was run at.
        report: what ``report.json`` holds.
        model: the trained model, on the default device.
        class_names: the name of each class.

    Raises:
        DataError: there is no finished run in the folder, or its report is damaged.
        CheckpointError: the file of weights is missing, damaged, or does not fit the model.
    """

    def __init__(self, folder, recipe):
        self.folder = Path(folder)
        if isinstance(recipe, Study):
            raise DataError(f"{folder}: {recipe.name} is a study, it leaves no model of its own")
        self.report = read_report(folder)
        if self.report["status"] != "finished":
            raise DataError(f"{folder}: this run is not finished (it is {self.report['status']})")
        try:
            self.input_shape = tuple(self.report["model"]["input_shape"])
            self.class_names = tuple(self.report["model"]["class_names"])
            settings = self.report["settings"]
            self.data_name = settings["data"]
            self.recipe = recipe = recipe.sized(settings["full"])
        except (KeyError, TypeError) as error:
            raise DataError(f"{folder}: the report lacks {error}") from error
        self.model = recipe.model(self.input_shape, len(self.class_names))
        self.model.load(self.folder / MODEL)
        self.trainer = Trainer(
            self.model, loss=recipe.loss_of(self.model), metrics=["accuracy"], regularizer=recipe.regularizer
        )

    def evaluate(self):
        """Loss and accuracy on the test images, by name."""
        test = data_sets.prepare(data_sets.load(self.data_name).test, self.recipe.pixels)
        return self.trainer.evaluate(*test)

    def predict(self, images):
        """The probability of each class.

        Args:
            images: (N, H, W, C) as the model takes them, but from 0 to 1.

        Returns:
            (N, classes), float32.
        """
        return self.recipe.probabilities(self.trainer.predict(self.recipe.pixels.prepare(images)))

    def read_image(self, path):
        """An image file of any kind and size, made like the images that the model was trained on.

        Drawings are framed, see `frame_image`; of a photograph, the largest square in its middle is taken.

        Returns:
            (H, W, C), float32, from 0 to 1, as `predict` takes it.

        Raises:
            DataError: the file is no image.
            MissingExtraError: Pillow isn't installed.
        """
        framing, size = data_sets.framing(self.data_name), self.input_shape[:2]
        if framing is None:
            return decode_image(path, name=str(path), size=size, square=True) / np.float32(255)
        grey = decode_image(path, name=str(path), mode="L")[..., 0] / np.float32(255)
        return frame_image(grey, framing, size)
