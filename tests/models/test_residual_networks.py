"""ResNets: shapes of the paper's table, and PyTorch networks of the same blocks with the same weights."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.resnet import BasicBlock


def shapes_of(model):
    """The output shapes of the stem, of every block, of the pool and of the dense layer."""
    found = []

    def note(_module, _inputs, output):
        found.append(output.shape[1:])

    blocks = [block for stage in model.stages for block in stage]
    for module in (model.stem, *blocks, model.pool, model.dense):
        module.register_forward_hook(note)
    with tn.no_grad():
        model.eval()(np.zeros((1, *model.input_shape), np.float32))
    return found


def test_resnet18_of_large_images_has_the_shapes_of_the_paper():
    assert shapes_of(models.ResNet18()) == [
        (56, 56, 64),
        *[(56, 56, 64)] * 2,
        *[(28, 28, 128)] * 2,
        *[(14, 14, 256)] * 2,
        *[(7, 7, 512)] * 2,
        (512,),
        (1000,),
    ]


def test_resnet20_has_the_shapes_of_the_paper():
    assert shapes_of(models.ResNet20()) == [
        (32, 32, 16),
        *[(32, 32, 16)] * 3,
        *[(16, 16, 32)] * 3,
        *[(8, 8, 64)] * 3,
        (64,),
        (10,),
    ]


def test_depth_is_the_number_of_layers_with_weights_on_the_longest_path():
    for name, depth in (("resnet18", 18), ("resnet34", 34), ("resnet20", 20)):
        layers = [
            path
            for path, module in models.create(name).named_modules()
            if isinstance(module, (nn.Conv2d, nn.Linear)) and ".shortcut." not in path
        ]
        assert len(layers) == depth


def test_multiply_adds_of_resnet18_are_those_of_the_paper():
    # Table 1 of the paper says 1.8 · 10⁹.
    assert summary(models.ResNet18(), (224, 224, 3)).multiply_adds == pytest.approx(1.8e9, rel=0.02)


def test_a_block_whose_last_weights_are_zero_is_the_identity_for_positive_inputs(rng):
    block = BasicBlock(4, 4).eval()
    nn.init.zeros(block.body[4].weight)
    x = rng.random((2, 5, 5, 4), dtype=np.float32)
    np.testing.assert_array_equal(block(x).numpy(), x)


def test_padded_shortcuts_carry_every_second_pixel_and_zeros(rng):
    block = BasicBlock(3, 5, stride=2, shortcut="padding")
    assert block.shortcut.num_parameters() == 0
    x = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    y = block.shortcut(tn.tensor(x)).numpy()
    np.testing.assert_array_equal(y[..., :3], x[:, ::2, ::2])
    assert y.shape == (2, 3, 2, 5)
    assert not y[..., 3:].any()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"stem": "mnist"}, "ResNet: stem should be 'imagenet' or 'cifar', not 'mnist'"),
        ({"shortcut": "none"}, "ResNet: shortcut should be 'projection' or 'padding', not 'none'"),
    ],
)
def test_resnet_refuses_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError) as caught:
        models.ResNet18(**arguments)
    assert str(caught.value) == text


# The same networks in PyTorch


def torch_block(torch, in_channels, channels, stride, shortcut):
    def conv(*arguments):
        return torch.nn.Conv2d(*arguments, bias=False)

    class Padded(torch.nn.Module):
        def forward(self, x):
            new = channels - in_channels
            return torch.nn.functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, new))

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(
                conv(in_channels, channels, 3, stride, 1),
                torch.nn.BatchNorm2d(channels),
                torch.nn.ReLU(),
                conv(channels, channels, 3, 1, 1),
                torch.nn.BatchNorm2d(channels),
            )
            if stride == 1 and in_channels == channels:
                self.shortcut = torch.nn.Identity()
            elif shortcut == "projection":
                self.shortcut = torch.nn.Sequential(
                    conv(in_channels, channels, 1, stride), torch.nn.BatchNorm2d(channels)
                )
            else:
                self.shortcut = Padded()

        def forward(self, x):
            return torch.relu(self.body(x) + self.shortcut(x))

    return Block()


def torch_resnet(torch, depths, widths, num_classes, stem, shortcut):
    first = widths[0]
    if stem == "cifar":
        layers = [torch.nn.Conv2d(3, first, 3, 1, 1, bias=False)]
    else:
        layers = [torch.nn.Conv2d(3, first, 7, 2, 3, bias=False)]
    layers += [torch.nn.BatchNorm2d(first), torch.nn.ReLU()]
    if stem == "imagenet":
        layers.append(torch.nn.MaxPool2d(3, 2, 1))
    stages, channels = [], first
    for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        blocks = [torch_block(torch, channels, width, 1 + (index > 0), shortcut)]
        blocks += [torch_block(torch, width, width, 1, shortcut) for _ in range(depth - 1)]
        stages.append(torch.nn.Sequential(*blocks))
        channels = width
    network = torch.nn.Sequential()
    network.add_module("stem", torch.nn.Sequential(*layers))
    network.add_module("stages", torch.nn.Sequential(*stages))
    network.add_module("pool", torch.nn.AdaptiveAvgPool2d(1))
    network.add_module("flatten", torch.nn.Flatten())
    network.add_module("dense", torch.nn.Linear(channels, num_classes))
    return network


RESNETS = {
    "resnet18 of small images": (
        lambda: models.ResNet18(10, stem="cifar"),
        ((2, 2, 2, 2), (64, 128, 256, 512), 10, "cifar", "projection"),
        (2, 32, 32, 3),
    ),
    "resnet18 of large images": (
        lambda: models.ResNet18(10),
        ((2, 2, 2, 2), (64, 128, 256, 512), 10, "imagenet", "projection"),
        (1, 65, 64, 3),
    ),
    "resnet20": (
        models.ResNet20,
        ((3, 3, 3), (16, 32, 64), 10, "cifar", "padding"),
        (2, 32, 32, 3),
    ),
}


@pytest.mark.parametrize("name", RESNETS)
def test_resnets_follow_pytorch(name, rng, follow_pytorch):
    make, structure, shape = RESNETS[name]
    follow_pytorch(make(), lambda torch: torch_resnet(torch, *structure), rng.normal(size=shape))
