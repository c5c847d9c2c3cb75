"""Which weights have been published for our models: their names, how they were trained, what they expect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tinynet import nn
from tinynet.models import module_names
from tinynet.models.densenet import DenseNet
from tinynet.models.googlenet import GoogLeNet
from tinynet.models.inception_v3 import InceptionV3
from tinynet.models.mobilenet import STEM_CHANNELS, MobileNetV1
from tinynet.models.preprocessing import Preprocessing
from tinynet.models.resnet import CifarResNet, ResNet
from tinynet.models.squeezenet import SqueezeNet
from tinynet.models.vgg import VGG

__all__ = ["Published", "published_for"]

# Mean and standard deviation of ImageNet's colours, for values from 0 to 1.
TORCHVISION = Preprocessing(224, enlarged=256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
MINUS_ONE_TO_ONE = Preprocessing(224, scale=127.5, mean=(1.0, 1.0, 1.0))
CAFFE = Preprocessing(224, scale=1.0, mean=(103.939, 116.779, 123.68), blue_first=True)


@dataclass(frozen=True)
class Published:
    """The published weights of one architecture.

    Attributes:
        module_names: library → function from a model to its names there; see `module_names`.
        preprocessing: library → what images go through. The first one serves for weights of our own.
        head: the path of the last layer, whose outputs are the classes.
        head_is_optional: whether weights without it are published, for a model with ``num_classes=None``.
        flattened: paths of dense layers behind a flattening → number of channels of what is flattened.
        options: from the names in a file to the arguments of the constructor that they call for.
        sizes: from arrays in our names to the arguments that their shapes call for.
        adjustments: library → function that changes a model where the network that the weights were made
            for differs from the paper's.
    """

    module_names: Mapping[str, Callable]
    preprocessing: Mapping[str, Preprocessing]
    head: str = "dense"
    head_is_optional: bool = False
    flattened: Mapping[str, int] = field(default_factory=dict)
    options: Callable[[list[str]], dict[str, Any]] = lambda names: {}
    sizes: Callable[[dict], dict[str, Any]] = lambda arrays: {}
    adjustments: Mapping[str, Callable] = field(default_factory=dict)


def _has(names, text):
    return any(text in name for name in names)


def _sizes_of_mobilenet(arrays):
    kernel = arrays.get("stem.conv.weight")
    return {} if kernel is None or kernel.ndim != 4 else {"width": kernel.shape[-1] / STEM_CHANNELS}


def _options_of_googlenet(names):
    auxiliary = {"auxiliary": _has(names, "aux")}
    if not _has(names, "running_mean"):
        return auxiliary
    large_kernel = 5 if _has(names, "stem.") else 3
    return {**auxiliary, "normalization": "batch", "large_kernel": large_kernel}


def _pool_like_torchvision(model):
    """The last pooling of torchvision's GoogLeNet has windows of 2 × 2."""
    model.pool4 = nn.MaxPool2d(2, stride=2)


def _average_like_torchvision(model):
    """At the border torchvision's Inception v3 counts padding when it averages over 3 × 3 pixels."""
    for module in model.modules():
        if isinstance(module, nn.AvgPool2d):
            module.count_include_pad = True


PUBLISHED = {
    CifarResNet: Published(
        {"pytorch": module_names.resnet_in_pytorch},
        {"pytorch": replace(TORCHVISION, size=32, enlarged=None)},
    ),
    ResNet: Published({"pytorch": module_names.resnet_in_pytorch}, {"pytorch": TORCHVISION}),
    VGG: Published(
        {"pytorch": module_names.vgg_in_pytorch, "keras": module_names.vgg_in_keras},
        {"pytorch": TORCHVISION, "keras": CAFFE},
        head="classifier.dense3",
        flattened={"classifier.dense1": 512},
        options=lambda names: {"batch_norm": _has(names, "running_mean")},
    ),
    SqueezeNet: Published(
        {"keras": module_names.squeezenet_in_keras, "pytorch": module_names.squeezenet_in_pytorch},
        {"keras": replace(CAFFE, size=227), "pytorch": TORCHVISION},
        head="conv10",
        head_is_optional=True,
    ),
    MobileNetV1: Published(
        {"keras": module_names.mobilenet_in_keras},
        {"keras": MINUS_ONE_TO_ONE},
        sizes=_sizes_of_mobilenet,
    ),
    DenseNet: Published(
        {"pytorch": module_names.densenet_in_pytorch, "keras": module_names.densenet_in_keras},
        {"pytorch": TORCHVISION, "keras": replace(TORCHVISION, enlarged=None)},
    ),
    GoogLeNet: Published(
        {"pytorch": module_names.googlenet_in_pytorch},
        {"pytorch": replace(MINUS_ONE_TO_ONE, enlarged=256)},
        flattened={"auxiliary1.dense1": 128, "auxiliary2.dense1": 128},
        options=_options_of_googlenet,
        adjustments={"pytorch": _pool_like_torchvision},
    ),
    InceptionV3: Published(
        {"pytorch": module_names.inception_v3_in_pytorch},
        {"pytorch": replace(MINUS_ONE_TO_ONE, size=299, enlarged=342)},
        options=lambda names: {"auxiliary": _has(names, "AuxLogits") or _has(names, "auxiliary")},
        adjustments={"pytorch": _average_like_torchvision},
    ),
}


def published_for(model_class):
    """The `Published` of a model's class or of the nearest class that it is made from, or None."""
    for ancestor in model_class.__mro__:
        if ancestor in PUBLISHED:
            return PUBLISHED[ancestor]
    return None
