"""What the parts of our models are called in the published weights: functions from a model to names.

Each gives a dictionary from the paths of modules in the file to paths in the model, made by walking through
the model, so that it holds for any depth, width and number of classes. Parameters within a module are named
by rule; see `tinynet.nn.foreign_weights`.
"""

from tinynet import nn

__all__ = [
    "densenet_in_keras",
    "densenet_in_pytorch",
    "googlenet_in_pytorch",
    "inception_v3_in_pytorch",
    "mobilenet_in_keras",
    "resnet_in_pytorch",
    "squeezenet_in_keras",
    "squeezenet_in_pytorch",
    "vgg_in_keras",
    "vgg_in_pytorch",
]


def resnet_in_pytorch(model):
    """torchvision's names, and those of akamaster/pytorch_resnet_cifar10, whose last layer is ``linear``."""
    names = {"conv1": "stem.0", "bn1": "stem.1", "fc": "dense", "linear": "dense"}
    for stage_number, stage in enumerate(model.stages):
        for block_number, block in enumerate(stage):
            ours, theirs = f"stages.{stage_number}.{block_number}", f"layer{stage_number + 1}.{block_number}"
            # The body repeats convolution, batch norm, ReLU.
            for position, layer in block.body.named_children():
                kind = {nn.Conv2d: "conv", nn.BatchNorm2d: "bn"}.get(type(layer))
                if kind is not None:
                    names[f"{theirs}.{kind}{int(position) // 3 + 1}"] = f"{ours}.body.{position}"
            for position, _ in block.shortcut.named_children():
                names[f"{theirs}.downsample.{position}"] = f"{ours}.shortcut.{position}"
    return names


def vgg_in_pytorch(model):
    """torchvision's names: layers are numbered through all blocks, ReLU and pooling included."""
    layers = [
        f"features.{block_name}.{name}"
        for block_name, block in model.features.named_children()
        for name, _ in block.named_children()
    ]
    names = {f"features.{number}": path for number, path in enumerate(layers)}
    dense = {"classifier.0": "dense1", "classifier.3": "dense2", "classifier.6": "dense3"}
    return names | {theirs: f"classifier.{ours}" for theirs, ours in dense.items()}


def vgg_in_keras(model):
    """The names of keras.applications: ``block1_conv1`` and so on, ``fc1``, ``fc2``, ``predictions``."""
    names = {"fc1": "classifier.dense1", "fc2": "classifier.dense2", "predictions": "classifier.dense3"}
    for block_number, (block_name, block) in enumerate(model.features.named_children(), start=1):
        for name, _ in block.named_children():
            names[f"block{block_number}_{name}"] = f"features.{block_name}.{name}"
    return names


def squeezenet_in_pytorch(model):
    """torchvision's names of version 1.1, in which poolings have numbers as well."""
    names = {"features.0": "conv1", "classifier.1": "conv10"}
    for fire, position in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True):
        for ours, theirs in {
            "squeeze1x1": "squeeze",
            "expand1x1": "expand1x1",
            "expand3x3": "expand3x3",
        }.items():
            names[f"features.{position}.{theirs}"] = f"fire{fire}.{ours}"
    return names


def squeezenet_in_keras(model):
    """The names of rcmalli/keras-squeezenet, which are ours."""
    return {path: path for path, _ in model.named_modules()}


def mobilenet_in_keras(model):
    """The names of keras.applications and of TensorFlow.js; the last layer is a convolution of 1 × 1."""
    names = {"conv1": "stem.conv", "conv1_bn": "stem.norm", "conv_preds": "dense"}
    for number in range(len(model.blocks)):
        for theirs, ours in {"dw": "depthwise", "pw": "pointwise"}.items():
            names[f"conv_{theirs}_{number + 1}"] = f"blocks.{number}.{ours}"
            names[f"conv_{theirs}_{number + 1}_bn"] = f"blocks.{number}.{ours}_norm"
    return names


def densenet_in_pytorch(model):
    """torchvision's names, also as its files have them (``norm.1`` for ``norm1``)."""
    names = {
        "features.conv0": "stem.conv",
        "features.norm0": "stem.norm",
        "features.norm5": "norm",
        "classifier": "dense",
    }
    for ours, module in model.features.named_children():
        theirs = ours.replace("block", "denseblock")
        if hasattr(module, "layers"):
            for number, layer in enumerate(module.layers):
                for part, _ in layer.named_children():
                    path = f"features.{theirs}.denselayer{number + 1}"
                    for name in (part, f"{part[:-1]}.{part[-1]}"):
                        names[f"{path}.{name}"] = f"features.{ours}.layers.{number}.{part}"
        else:
            for part in ("norm", "conv"):
                names[f"features.{theirs}.{part}"] = f"features.{ours}.{part}"
    return names


def densenet_in_keras(model):
    """The names of keras.applications; blocks and poolings are counted from the stem on."""
    names = {"bn": "norm", "fc1000": "dense", "predictions": "dense"}
    for separator in (".", "_"):  # "conv1/conv" of Keras 2, "conv1_conv" of Keras 3
        names |= {f"conv1{separator}conv": "stem.conv", f"conv1{separator}bn": "stem.norm"}
    parts = {"0_bn": "norm1", "1_conv": "conv1", "1_bn": "norm2", "2_conv": "conv2"}
    for ours, module in model.features.named_children():
        stage = int(ours[-1]) + 1
        if hasattr(module, "layers"):
            for number in range(len(module.layers)):
                for theirs, part in parts.items():
                    path = f"conv{stage}_block{number + 1}_{theirs}"
                    names[path] = f"features.{ours}.layers.{number}.{part}"
        else:
            names |= {
                f"pool{stage}_bn": f"features.{ours}.norm",
                f"pool{stage}_conv": f"features.{ours}.conv",
            }
    return names


def googlenet_in_pytorch(model):
    """torchvision's names. Its network has batch norm, and windows of 3 × 3 where the paper has 5 × 5."""
    pairs = {"conv1": "stem.conv1", "conv2": "stem.reduce2", "conv3": "stem.conv2"}
    for number in (1, 2):
        pairs[f"aux{number}.conv"] = f"auxiliary{number}.conv"
    pairs |= {
        path: path
        for path, module in model.named_modules()
        if path.startswith("inception") and isinstance(module, nn.Sequential) and hasattr(module, "conv")
    }
    names = _with_norms(pairs)
    for number in (1, 2):
        for layer in (1, 2):
            names[f"aux{number}.fc{layer}"] = f"auxiliary{number}.dense{layer}"
    return names | {"fc": "dense"}


INCEPTION_STEM = {
    "Conv2d_1a_3x3": "conv1",
    "Conv2d_2a_3x3": "conv2",
    "Conv2d_2b_3x3": "conv3",
    "Conv2d_3b_1x1": "conv4",
    "Conv2d_4a_3x3": "conv5",
    "AuxLogits.conv0": "auxiliary.conv1",
    "AuxLogits.conv1": "auxiliary.conv2",
}


def inception_v3_in_pytorch(model):
    """torchvision's names, which number the convolutions of a branch: ``branch3x3dbl_3a``."""
    pairs = dict(INCEPTION_STEM)
    for mixed, module in model.named_children():
        if mixed.startswith("mixed"):
            for branch_name, branch in module.named_children():
                theirs = f"Mixed_{mixed.removeprefix('mixed')}.{branch_name.replace('double', 'dbl')}"
                for suffix, path in _convolutions_of_branch(branch).items():
                    pairs[theirs + suffix] = f"{mixed}.{branch_name}{path}"
    return _with_norms(pairs) | {"fc": "dense", "AuxLogits.fc": "auxiliary.dense"}


def _convolutions_of_branch(branch):
    """What is behind the name of a branch, in torchvision and here: ``{"_1": ".0", "_2": ".1"}``."""
    if hasattr(branch, "ends"):
        trunk = {f"_{number + 1}": f".trunk.{number}" for number in range(len(branch.trunk))}
        last = len(branch.trunk) + 1
        return trunk | {f"_{last}a": ".ends.across", f"_{last}b": ".ends.down"}
    if hasattr(branch, "pool"):
        return {"": ".conv"}
    if hasattr(branch, "conv"):
        return {"": ""}
    if not isinstance(branch, nn.Sequential):
        return {}
    if len(branch) == 1:
        return {"": ".0"}
    return {f"_{number + 1}": f".{number}" for number in range(len(branch))}


def _with_norms(pairs):
    """For convolutions with their batch norm: theirs are ``conv`` and ``bn``, ours ``conv`` and ``norm``."""
    names = {}
    for theirs, ours in pairs.items():
        names[f"{theirs}.conv"] = f"{ours}.conv"
        names[f"{theirs}.bn"] = f"{ours}.norm"
    return names
