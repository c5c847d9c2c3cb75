"""The network that a command looks into: that of a run, or one with weights from a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinynet import models, nn, recipes
from tinynet.data.decoding import decode_image
from tinynet.errors import ArgumentError, TinynetError
from tinynet.models.pretrained import read_class_names
from tinynet.models.registry import find
from tinynet.recipes import data as data_sets
from tinynet.recipes.framing import light_ink

__all__ = ["Subject", "open_run", "read_photograph", "structure", "subject_of"]

FULL_PIXEL = np.float32(255)


@dataclass(frozen=True)
class Subject:
    """A trained network with what it takes to show it images.

    Attributes:
        name: what it is called.
        model: the network, in inference mode.
        input_shape: (H, W, C) of its images.
        read: ``read(path)``, what the network sees of an image file of any size: (H, W, C) from 0 to 1.
        read_large: ``read_large(path, shorter_side)``, all of the image with so many pixels along its
            shorter side.
        prepare: images (..., H, W, C) from 0 to 1 → what the network takes.
        name_classes: ``name_classes(count)``, the names of so many classes.
        data: the name of the data set that it was trained on, or None.
    """

    name: str
    model: nn.Module
    input_shape: tuple
    read: Callable
    read_large: Callable
    prepare: Callable
    name_classes: Callable
    data: str | None = None

    def images(self, paths):
        """Image files as images (N, H, W, C) from 0 to 1; without any, the test images of the data set."""
        if paths:
            return np.stack([self.read(path) for path in paths])
        if self.data is None:
            raise ArgumentError(f"inspect: {self.name} comes without images; name some image files")
        return data_sets.load(self.data).test.images


def subject_of(options):
    """The `Subject` that ``--run``, or ``--model`` with ``--weights`` and ``--labels``, name.

    Raises:
        ArgumentError: they do not belong together, or there is no such model.
        TinynetError: there is no such run, or the files do not fit.
    """
    if options.model is None and options.weights is None:
        return _subject_of_run(open_run(options.run or "lenet5"))
    if options.run is not None or options.model is None or options.weights is None:
        raise ArgumentError("inspect takes either --run, or --model and --weights together")
    return _pretrained_subject(options)


def structure(name, input_shape=None, num_classes=None):
    """A model whose layers are to be looked at, and its input shape. Its weights are not drawn."""
    chosen = {} if num_classes is None else {"num_classes": num_classes}
    with nn.init.skipped():
        if input_shape is None:
            model = models.create(name, **chosen)
        else:
            model = models.create_for(name, input_shape, **chosen)
    return model, input_shape or model.input_shape


def open_run(name):
    """The run in a folder, or of this name in ``runs/``: a `recipes.WordRun` if it reads words."""
    folder = Path(name) if Path(name).is_dir() else _folder_in_runs(name)
    report = recipes.read_report(folder)
    if recipes.reads_words(report):
        return recipes.WordRun(folder)
    return recipes.Run(folder, recipes.get(report["recipe"]))


def _folder_in_runs(name):
    """``runs/name``; where it isn't there, an error says what would help."""
    folders = {folder.name: folder for folder in Path("runs").glob("*/")}
    if name in recipes.available() and name not in folders:
        raise TinynetError(f"{name} has not been trained here; do it with: tinynet train {name}")
    return find("run", name, folders)


def read_photograph(path, shorter_side=None, longest=None, mode="RGB"):
    """An image file, (H, W, C) float32 from 0 to 1, scaled as a whole.

    Args:
        path: the file.
        shorter_side: how many pixels its shorter side gets; None keeps its size.
        longest: how many pixels its longer side has at most.
        mode: ``"RGB"``, or ``"L"`` for one channel of greys.
    """
    pixels = decode_image(path, name=str(path), mode=mode)
    sizes = pixels.shape[:2]
    scale = 1.0 if shorter_side is None else shorter_side / min(sizes)
    if longest is not None:
        scale = min(scale, longest / max(sizes))
    if scale != 1:
        size = tuple(max(1, round(length * scale)) for length in sizes)
        pixels = decode_image(path, name=str(path), mode=mode, size=size)
    return pixels / FULL_PIXEL


def _subject_of_run(run):
    if isinstance(run, recipes.WordRun):
        raise ArgumentError(f"inspect: {run.folder.name} reads words and has no classes to look into")
    is_drawn = data_sets.framing(run.data_name) is not None

    def read_large(path, shorter_side):
        if not is_drawn:
            return read_photograph(path, shorter_side)
        return light_ink(read_photograph(path, shorter_side, mode="L")[..., 0])[..., np.newaxis]

    return Subject(
        name=run.folder.name,
        model=run.model.eval(),
        input_shape=run.input_shape,
        read=run.read_image,
        read_large=read_large,
        prepare=run.recipe.pixels.prepare,
        name_classes=lambda count: list(run.class_names),
        data=run.data_name,
    )


def _pretrained_subject(options):
    network = models.pretrained(options.model, options.weights)
    preprocessing = network.preprocessing

    def name_classes(count):
        return read_class_names(options.labels, count) if options.labels else network.class_names(count)

    return Subject(
        name=options.model,
        model=network.model,
        input_shape=(preprocessing.size, preprocessing.size, 3),
        read=lambda path: preprocessing.crop(path) / FULL_PIXEL,
        read_large=read_photograph,
        prepare=lambda images: preprocessing(images * FULL_PIXEL),
        name_classes=name_classes,
    )
