"""The documented architectures, and a registry of them by name.

    model = tn.models.create("lenet5", variant="classic")
    model.summary(model.input_shape)

Every model takes images (N, H, W, C), of `input_shape` (H, W, C), and gives logits (N, num_classes).
"""

import inspect

from tinynet.errors import ArgumentError
from tinynet.models.lenet5 import LeNet5
from tinynet.models.mnist_convolutional import MnistConv, MnistConv5
from tinynet.models.mnist_dense import MnistDense200, MnistDense1024
from tinynet.models.registry import find
from tinynet.models.resnet import ResNet18, ResNet20, ResNet34
from tinynet.models.vgg import VGG16, VGG19

__all__ = [
    "VGG16",
    "VGG19",
    "LeNet5",
    "MnistConv",
    "MnistConv5",
    "MnistDense200",
    "MnistDense1024",
    "ResNet18",
    "ResNet20",
    "ResNet34",
    "available",
    "create",
]

_MODELS = {
    "lenet5": LeNet5,
    "mnist-conv": MnistConv,
    "mnist-conv5": MnistConv5,
    "mnist-dense-1024": MnistDense1024,
    "mnist-dense-200": MnistDense200,
    "resnet18": ResNet18,
    "resnet20": ResNet20,
    "resnet34": ResNet34,
    "vgg16": VGG16,
    "vgg19": VGG19,
}


def available():
    """The names of the models."""
    return list(_MODELS)


def create(name, **options):
    """A new model, its weights drawn from the default generator.

    Args:
        name: one of `available()`.
        options: arguments of the model's class, for example ``num_classes=5``.

    Raises:
        UnknownNameError: there is no such model.
        ArgumentError: the model takes no such option.
    """
    model_class = find("model", name, _MODELS)
    taken = inspect.signature(model_class).parameters
    for option in options:
        if option not in taken:
            raise ArgumentError(f"models.create: {name} takes {', '.join(taken)}, but no {option!r}")
    return model_class(**options)
