"""The documented architectures, and a registry of them by name.

    model = tn.models.create("lenet5", variant="classic")
    model.summary(model.input_shape)

Every model takes images (N, H, W, C), of `input_shape` (H, W, C), and gives logits (N, num_classes); CRNN,
which reads words, gives (N, T, num_classes).
"""

import inspect

from tinynet.errors import ArgumentError
from tinynet.models.alexnet import AlexNet
from tinynet.models.auxiliary import WithAuxiliary, auxiliary_loss
from tinynet.models.capsnet import CapsNet, CapsNetOutput
from tinynet.models.crnn import CRNN
from tinynet.models.densenet import DenseNet40, DenseNet121, MnistDenseNet
from tinynet.models.googlenet import GoogLeNet
from tinynet.models.inception_v3 import InceptionV3
from tinynet.models.lenet5 import LeNet5
from tinynet.models.mnist_convolutional import MnistConv, MnistConv5
from tinynet.models.mnist_dense import MnistDense200, MnistDense1024
from tinynet.models.mobilenet import MobileNetV1
from tinynet.models.nin import NiN
from tinynet.models.plain import Plain8, Plain18, Plain20, Plain32, Plain34, Plain44, Plain56
from tinynet.models.pretrained import Pretrained, load_weights, pretrained
from tinynet.models.registry import find
from tinynet.models.resnet import (
    ResNet8,
    ResNet18,
    ResNet20,
    ResNet32,
    ResNet34,
    ResNet44,
    ResNet50,
    ResNet56,
    ResNet101,
    ResNet152,
)
from tinynet.models.squeezenet import SqueezeNet
from tinynet.models.vgg import VGG16, VGG19

__all__ = [
    "CRNN",
    "VGG16",
    "VGG19",
    "AlexNet",
    "CapsNet",
    "CapsNetOutput",
    "DenseNet40",
    "DenseNet121",
    "GoogLeNet",
    "InceptionV3",
    "LeNet5",
    "MnistConv",
    "MnistConv5",
    "MnistDense200",
    "MnistDense1024",
    "MnistDenseNet",
    "MobileNetV1",
    "NiN",
    "Plain8",
    "Plain18",
    "Plain20",
    "Plain32",
    "Plain34",
    "Plain44",
    "Plain56",
    "Pretrained",
    "ResNet8",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet34",
    "ResNet44",
    "ResNet50",
    "ResNet56",
    "ResNet101",
    "ResNet152",
    "SqueezeNet",
    "WithAuxiliary",
    "auxiliary_loss",
    "available",
    "create",
    "create_for",
    "load_weights",
    "pretrained",
]

_MODELS = {
    "alexnet": AlexNet,
    "capsnet": CapsNet,
    "crnn": CRNN,
    "densenet40": DenseNet40,
    "densenet121": DenseNet121,
    "googlenet": GoogLeNet,
    "inception-v3": InceptionV3,
    "lenet5": LeNet5,
    "mnist-conv": MnistConv,
    "mnist-conv5": MnistConv5,
    "mnist-dense-200": MnistDense200,
    "mnist-dense-1024": MnistDense1024,
    "mnist-densenet": MnistDenseNet,
    "mobilenet-v1": MobileNetV1,
    "nin": NiN,
    "plain8": Plain8,
    "plain18": Plain18,
    "plain20": Plain20,
    "plain32": Plain32,
    "plain34": Plain34,
    "plain44": Plain44,
    "plain56": Plain56,
    "resnet8": ResNet8,
    "resnet18": ResNet18,
    "resnet20": ResNet20,
    "resnet32": ResNet32,
    "resnet34": ResNet34,
    "resnet44": ResNet44,
    "resnet50": ResNet50,
    "resnet56": ResNet56,
    "resnet101": ResNet101,
    "resnet152": ResNet152,
    "squeezenet": SqueezeNet,
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
    model_class, taken = _class_and_options(name)
    for option in options:
        if option not in taken:
            raise ArgumentError(f"models.create: {name} takes {', '.join(taken)}, but no {option!r}")
    return model_class(**options)


def create_for(name, input_shape, **options):
    """A new model for images of this shape, as far as the model's class leaves a choice.

    Args:
        name: one of `available()`.
        input_shape: (H, W, C). It decides the options ``in_channels`` and, where images are square,
            ``input_size``; a model without them is made as `create` makes it.
        options: further ones, as for `create`.

    Raises:
        UnknownNameError: there is no such model.
        ArgumentError: the model takes no such option, or cannot be made for this shape.
    """
    _, taken = _class_and_options(name)
    height, width, channels = input_shape if len(input_shape) == 3 else (None, None, None)
    fitting = {"in_channels": channels, "input_size": height if height == width else None}
    fitting = {option: value for option, value in fitting.items() if value is not None and option in taken}
    return create(name, **{**fitting, **options})


def _class_and_options(name):
    model_class = find("model", name, _MODELS)
    return model_class, inspect.signature(model_class).parameters
