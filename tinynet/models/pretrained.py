"""Models with weights from files of any format, and naming what photographs show with them.

network = models.pretrained("mobilenet-v1", "mobilenet-tfjs/model.json")
network.predict(["cat.jpg"])                       # probabilities (1, 1000)

models.load_weights(model, "resnet20.th")          # into a model that is there already
"""

import re

import numpy as np

from tinynet import functional as F
from tinynet import nn
from tinynet.autograd import no_grad, tensor
from tinynet.backend import default_device
from tinynet.data.cifar10 import CIFAR10_CLASSES
from tinynet.errors import ArgumentError, CheckpointError, DataError
from tinynet.models.published import published_for
from tinynet.models.resnet import CifarResNet
from tinynet.nn.foreign_weights import LIBRARIES, our_name, translate
from tinynet.weight_files import read_weights

__all__ = ["Pretrained", "load_weights", "pretrained", "read_class_names"]

BATCH_SIZE = 32
MAX_LABEL_BYTES = 1 << 24


def load_weights(model, path, library=None, strict=True):
    """Reads a file of weights into a model, whatever its format, its names and its order of axes.

    Args:
        model: the module that takes them.
        path: the file; see `tinynet.weight_files.read_weights`.
        library: who named the weights, ``"tinynet"``, ``"pytorch"`` or ``"keras"``. None takes it from the
            format, and for npz and safetensors from the names.
        strict: whether every name must be there, and none besides.

    Returns:
        The names that were missing and those that were not expected, as `Module.load_state_dict`.

    Raises:
        CheckpointError: the file is missing, damaged or hostile, or does not fit; then nothing was loaded.
        ArgumentError: there is no such library.
    """
    file = read_weights(path)
    library = _library(model, file, library)
    return _load(model, file, library, strict)


def pretrained(name, path, library=None):
    """A model of this name with the weights of a file, which decide its width and its number of classes.

    Where the network that was published differs in a detail from the paper's, the model follows the network.

    Args:
        name: one of `models.available()`.
        path, library: as in `load_weights`.

    Returns:
        A `Pretrained`.

    Raises:
        UnknownNameError: there is no such model.
        ArgumentError: no published weights are known for it, or there is no such library.
        CheckpointError: the file is missing, damaged or hostile, or does not fit the model.
    """
    from tinynet.models import create

    with nn.init.skipped():
        model = create(name)
    published = published_for(type(model))
    if published is None:
        raise ArgumentError(f"pretrained: no published weights are known for {name}")
    file = read_weights(path)
    options = published.options(list(file.arrays))
    with nn.init.skipped():
        model = create(name, **options)
        library = _library(model, file, library)
        model = create(name, **options, **_sizes(model, file, library, published))
    _load(model, file, library, strict=True)
    if adjust := published.adjustments.get(library):
        adjust(model)
    preprocessing = published.preprocessing
    return Pretrained(
        model.to(default_device()).eval(),
        preprocessing.get(library) or next(iter(preprocessing.values())),
        file,
    )


class Pretrained:
    """A model in inference mode with what belongs to its weights.

    Attributes:
        model: the module.
        preprocessing: what images go through; see `Preprocessing`.
        file: the `WeightFile` that the weights came from.
    """

    def __init__(self, model, preprocessing, file):
        self.model = model
        self.preprocessing = preprocessing
        self.file = file

    def predict(self, paths):
        """What image files show: the probability of each class, (N, classes), float32.

        Raises:
            DataError: a file is no image.
            ArgumentError: the weights are those of features only, without classes.
        """
        if getattr(self.model, "num_classes", 0) is None:
            raise ArgumentError(f"predict: {self.file.path} holds the weights of features, without classes")
        if not paths:
            raise ArgumentError("predict: there are no images")
        starts = range(0, len(paths), BATCH_SIZE)
        return np.concatenate([self._predict_batch(paths[start : start + BATCH_SIZE]) for start in starts])

    def _predict_batch(self, paths):
        images = np.stack([self.preprocessing.read(path) for path in paths])
        with no_grad():
            device = next(self.model.parameters()).device
            return F.softmax(self.model(tensor(images, device=device))).numpy()

    def class_names(self, count):
        """The names of so many classes, where the architecture implies them, else ``class 0`` and so on."""
        if isinstance(self.model, CifarResNet) and count == len(CIFAR10_CLASSES):
            return list(CIFAR10_CLASSES)
        return [f"class {index}" for index in range(count)]


def read_class_names(path, count):
    """The names of `count` classes from a text file, line i for class i.

    WordNet's numbers, with which lines of ImageNet's list begin, are left out.

    Raises:
        DataError: the file cannot be read, is no text, or has another number of lines.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_LABEL_BYTES + 1)
        if len(content) > MAX_LABEL_BYTES:
            raise DataError(f"{path}: more than {MAX_LABEL_BYTES:,} bytes are no list of names")
        lines = content.decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable list of names: {error}") from error
    if len(lines) != count:
        raise DataError(f"{path}: {len(lines):,} names, but the model tells {count:,} classes apart")
    return [re.sub(r"^n\d{8} ", "", line) for line in lines]


def _modules(model, library):
    published = published_for(type(model))
    make = None if published is None else published.module_names.get(library)
    return None if make is None else make(model)


def _library(model, file, library):
    """Who named the weights: as the caller or the format says, else the one whose names fit best."""
    if library is not None and library not in LIBRARIES:
        raise ArgumentError(f"load_weights: library should be one of {', '.join(LIBRARIES)}, not {library!r}")
    if library is not None or file.layout is not None:
        return library or file.layout
    return max(LIBRARIES, key=lambda candidate: _known_names(model, file, candidate))


def _known_names(model, file, library):
    own, modules = model.state_dict().keys(), _modules(model, library) or {}
    found = (our_name(name, library) for name in file.arrays)
    return sum(f"{modules.get(path, path)}.{leaf}".removeprefix(".") in own for path, leaf in found)


def _translated(model, file, library):
    published = published_for(type(model))
    flattened = None if published is None else published.flattened
    return translate(model, file.arrays, library, _modules(model, library), flattened)


def _load(model, file, library, strict):
    try:
        return model.load_state_dict(_translated(model, file, library), strict)
    except CheckpointError as error:
        raise CheckpointError(
            f"load: {file.path} (format {file.format}, names and axes of {library}): {error.message}"
        ) from error


def _sizes(model, file, library, published):
    """The arguments of the constructor that the shapes of the weights call for."""
    arrays = translate(model, file.arrays, library, _modules(model, library))
    sizes = published.sizes(arrays)
    head = arrays.get(f"{published.head}.weight")
    if head is not None and head.ndim >= 2:
        sizes["num_classes"] = head.shape[-1]
    elif published.head_is_optional:
        sizes["num_classes"] = None
    return sizes
