"""The names of published weights: complete, one for each of ours, and as the publishers have them."""

import numpy as np
import pytest

from tinynet import models, nn
from tinynet.models import module_names
from tinynet.nn.foreign_weights import translate

# Function, model, and how torchvision or Keras names some of the parts.
CASES = {
    "resnet18": (
        module_names.resnet_in_pytorch,
        lambda: models.ResNet18(),
        {
            "conv1": "stem.0",
            "layer1.0.bn1": "stages.0.0.body.1",
            "layer2.0.downsample.1": "stages.1.0.shortcut.1",
            "layer4.1.conv2": "stages.3.1.body.3",
            "fc": "dense",
        },
    ),
    "resnet50": (
        module_names.resnet_in_pytorch,
        lambda: models.ResNet50(),
        {"layer1.0.conv3": "stages.0.0.body.6", "layer3.5.bn3": "stages.2.5.body.7"},
    ),
    "resnet20": (
        module_names.resnet_in_pytorch,
        lambda: models.ResNet20(),
        {"layer3.2.conv2": "stages.2.2.body.3", "linear": "dense"},
    ),
    "vgg16": (
        module_names.vgg_in_pytorch,
        lambda: models.VGG16(),
        {
            "features.0": "features.0.conv1",
            "features.28": "features.4.conv3",
            "classifier.6": "classifier.dense3",
        },
    ),
    "vgg19 with batch norm": (
        module_names.vgg_in_pytorch,
        lambda: models.VGG19(batch_norm=True),
        {
            "features.1": "features.0.norm1",
            "features.49": "features.4.conv4",
            "features.50": "features.4.norm4",
        },
    ),
    "vgg19 of Keras": (
        module_names.vgg_in_keras,
        lambda: models.VGG19(),
        {"block1_conv1": "features.0.conv1", "block5_conv4": "features.4.conv4", "fc2": "classifier.dense2"},
    ),
    "squeezenet": (
        module_names.squeezenet_in_pytorch,
        lambda: models.SqueezeNet(),
        {
            "features.0": "conv1",
            "features.3.squeeze": "fire2.squeeze1x1",
            "features.12.expand3x3": "fire9.expand3x3",
        },
    ),
    "squeezenet of Keras": (
        module_names.squeezenet_in_keras,
        lambda: models.SqueezeNet(num_classes=None),
        {"fire2.squeeze1x1": "fire2.squeeze1x1"},
    ),
    "mobilenet of Keras": (
        module_names.mobilenet_in_keras,
        lambda: models.MobileNetV1(width=0.25),
        {
            "conv_dw_1": "blocks.0.depthwise",
            "conv_pw_13_bn": "blocks.12.pointwise_norm",
            "conv_preds": "dense",
        },
    ),
    "densenet121": (
        module_names.densenet_in_pytorch,
        lambda: models.DenseNet121(),
        {
            "features.denseblock1.denselayer1.norm1": "features.block1.layers.0.norm1",
            "features.denseblock4.denselayer16.conv.2": "features.block4.layers.15.conv2",
            "features.transition3.conv": "features.transition3.conv",
            "features.norm5": "norm",
        },
    ),
    "densenet121 of Keras": (
        module_names.densenet_in_keras,
        lambda: models.DenseNet121(),
        {
            "conv1.conv": "stem.conv",
            "conv2_block1_0_bn": "features.block1.layers.0.norm1",
            "conv5_block16_2_conv": "features.block4.layers.15.conv2",
            "pool2_conv": "features.transition1.conv",
            "bn": "norm",
        },
    ),
    "googlenet": (
        module_names.googlenet_in_pytorch,
        lambda: models.GoogLeNet(normalization="batch", large_kernel=3),
        {
            "conv2.bn": "stem.reduce2.norm",
            "inception3a.branch3.1.conv": "inception3a.branch3.1.conv",
            "aux1.conv.conv": "auxiliary1.conv.conv",
            "aux2.fc2": "auxiliary2.dense2",
        },
    ),
    "inception-v3": (
        module_names.inception_v3_in_pytorch,
        lambda: models.InceptionV3(),
        {
            "Conv2d_4a_3x3.bn": "conv5.norm",
            "Mixed_5b.branch5x5_2.conv": "mixed5b.branch5x5.1.conv",
            "Mixed_6a.branch3x3.conv": "mixed6a.branch3x3.0.conv",
            "Mixed_6e.branch7x7dbl_5.bn": "mixed6e.branch7x7double.4.norm",
            "Mixed_7a.branch7x7x3_4.conv": "mixed7a.branch7x7x3.3.conv",
            "Mixed_7b.branch3x3_2a.conv": "mixed7b.branch3x3.ends.across.conv",
            "Mixed_7c.branch3x3dbl_3b.conv": "mixed7c.branch3x3double.ends.down.conv",
            "Mixed_7c.branch_pool.conv": "mixed7c.branch_pool.conv.conv",
            "AuxLogits.conv1.conv": "auxiliary.conv2.conv",
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_every_part_with_parameters_has_a_name(case):
    make_names, make_model, known = CASES[case]
    with nn.init.skipped():
        model = make_model()
    names = make_names(model)
    assert {theirs: names.get(theirs) for theirs in known} == known
    with_parameters = {
        path for path, module in model.named_modules() if list(module.parameters(recurse=False))
    }
    assert with_parameters <= set(names.values()) <= {path for path, _ in model.named_modules()}


def test_weights_come_back_through_the_names_and_axes_of_pytorch(rng):
    model = models.VGG16(num_classes=3, input_size=64)
    names = {ours: theirs for theirs, ours in module_names.vgg_in_pytorch(model).items()}
    stored = {}
    for name, tensor in model.state_dict().items():
        path, _, leaf = name.rpartition(".")
        array = tensor.numpy()
        if path == "classifier.dense1":
            array = (
                array if leaf == "bias" else array.reshape(4, 512, 4096).swapaxes(0, 1).reshape(2048, 4096)
            )
        stored[f"{names[path]}.{leaf}"] = array if array.ndim < 2 else np.moveaxis(array, (-1, -2), (0, 1))
    found = translate(
        model, stored, "pytorch", module_names.vgg_in_pytorch(model), flattened={"classifier.dense1": 512}
    )
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(found[name], tensor.numpy(), err_msg=name)
