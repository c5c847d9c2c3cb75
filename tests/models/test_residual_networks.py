"""ResNets and plain networks: shapes of the paper's tables, and PyTorch networks of the same weights."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.residual_blocks import BasicBlock, BottleneckBlock, PlainBlock

DEPTHS = {"resnet": (8, 18, 20, 32, 34, 44, 50, 56, 101, 152), "plain": (8, 18, 20, 32, 34, 44, 56)}


def undrawn(name, **options):
    """A model whose weights are whatever memory holds, for tests that only look at its structure."""
    with nn.init.skipped():
        return models.create(name, **options)


def shapes_of(model):
    """The output shapes of the stem, of every block, of the pool and of the dense layer."""
    found = []

    def note(_module, _inputs, output):
        found.append(output.shape[1:])

    blocks = [block for stage in model.stages for block in stage]
    for module in (model.stem, *blocks, model.pool, model.dense):
        module.register_forward_hook(note)
    with tn.no_grad():
        model.eval()(np.zeros((0, *model.input_shape), np.float32))
    return found


@pytest.mark.parametrize(
    ("name", "depths", "expansion"),
    [
        ("resnet18", (2, 2, 2, 2), 1),
        ("plain18", (2, 2, 2, 2), 1),
        ("resnet34", (3, 4, 6, 3), 1),
        ("plain34", (3, 4, 6, 3), 1),
        ("resnet50", (3, 4, 6, 3), 4),
        ("resnet101", (3, 4, 23, 3), 4),
        ("resnet152", (3, 8, 36, 3), 4),
    ],
)
def test_networks_of_large_images_have_the_shapes_of_the_paper(name, depths, expansion):
    sizes, widths = (56, 28, 14, 7), (64, 128, 256, 512)
    blocks = [
        (size, size, width * expansion)
        for size, width, depth in zip(sizes, widths, depths, strict=True)
        for _ in range(depth)
    ]
    assert shapes_of(undrawn(name)) == [(56, 56, 64), *blocks, (512 * expansion,), (1000,)]


@pytest.mark.parametrize("kind", DEPTHS)
@pytest.mark.parametrize("depth", [8, 20, 32, 44, 56])
def test_networks_of_small_images_have_the_shapes_of_the_paper(kind, depth):
    blocks = (depth - 2) // 6
    assert shapes_of(undrawn(f"{kind}{depth}")) == [
        (32, 32, 16),
        *[(32, 32, 16)] * blocks,
        *[(16, 16, 32)] * blocks,
        *[(8, 8, 64)] * blocks,
        (64,),
        (10,),
    ]


@pytest.mark.parametrize("kind", DEPTHS)
def test_depth_is_the_number_of_layers_with_weights_on_the_longest_path(kind):
    for depth in DEPTHS[kind]:
        layers = [
            path
            for path, module in undrawn(f"{kind}{depth}").named_modules()
            if isinstance(module, (nn.Conv2d, nn.Linear)) and ".shortcut." not in path
        ]
        assert len(layers) == depth


@pytest.mark.parametrize(
    ("name", "multiply_adds"), [("resnet18", 1.8e9), ("resnet34", 3.6e9), ("plain34", 3.6e9)]
)
def test_multiply_adds_are_those_of_the_paper(name, multiply_adds):
    model = undrawn(name)
    assert summary(model, model.input_shape).multiply_adds == pytest.approx(multiply_adds, rel=0.02)


def test_the_stride_is_in_the_large_convolution_of_a_bottleneck():
    convolutions = [m for m in BottleneckBlock(256, 512, stride=2).body if isinstance(m, nn.Conv2d)]
    assert [layer.kernel_size for layer in convolutions] == [(1, 1), (3, 3), (1, 1)]
    assert [layer.stride for layer in convolutions] == [(1, 1), (2, 2), (1, 1)]
    assert [layer.out_channels for layer in convolutions] == [128, 128, 512]


@pytest.mark.parametrize(("residual", "plain"), [("resnet34", "plain34"), ("resnet20", "plain20")])
def test_plain_networks_are_the_residual_ones_without_shortcuts(residual, plain):
    def parameters(model):
        return [(name, p.shape) for name, p in model.named_parameters() if ".shortcut." not in name]

    shortcuts = [n for n, _ in undrawn(residual, shortcut="padding").named_parameters() if ".shortcut." in n]
    assert not shortcuts
    assert parameters(undrawn(plain)) == parameters(undrawn(residual))


def test_a_block_whose_last_weights_are_zero_is_the_identity_for_positive_inputs(rng):
    block = BasicBlock(4, 4).eval()
    nn.init.zeros(block.body[4].weight)
    x = rng.random((2, 5, 5, 4), dtype=np.float32)
    np.testing.assert_array_equal(block(x).numpy(), x)


@pytest.mark.parametrize("kind", [BasicBlock, BottleneckBlock])
@pytest.mark.parametrize("training", [False, True])
def test_zero_init_residual_makes_every_block_its_shortcut(kind, training, rng):
    tn.manual_seed(0)
    model = models.resnet.ResNet((2, 1), (4, 8), 3, stem="cifar", zero_init_residual=True, block=kind)
    x = rng.random((2, 6, 6, 3), dtype=np.float32)
    x = model.train(training).stem(tn.tensor(x))
    for stage in model.stages:
        for block in stage:
            assert any(weight.any() for weight in map(tn.Tensor.numpy, block.body.parameters()))
            y = block(x)
            shortcut = block.shortcut(x).numpy()
            np.testing.assert_allclose(y.numpy(), np.maximum(shortcut, 0), rtol=1e-6, atol=1e-6)
            x = y


def test_residual_networks_do_not_start_as_shortcuts_unless_wanted():
    assert all(block.body[-1].weight.numpy().all() for stage in models.ResNet8().stages for block in stage)
    model = models.ResNet8(zero_init_residual=True)
    assert not any(block.body[-1].weight.numpy().any() for stage in model.stages for block in stage)


def test_a_plain_block_lets_nothing_past_its_body(rng):
    block = PlainBlock(4, 4).eval()
    nn.init.zeros(block.body[4].weight)
    x = rng.random((2, 5, 5, 4), dtype=np.float32)
    assert not block(x).numpy().any()


def test_padded_shortcuts_carry_every_second_pixel_and_zeros(rng):
    block = BasicBlock(3, 5, stride=2, shortcut="padding")
    assert block.shortcut.num_parameters() == 0
    x = rng.normal(size=(2, 5, 4, 3)).astype(np.float32)
    y = block.shortcut(tn.tensor(x)).numpy()
    assert y.shape == (2, 3, 2, 5)
    np.testing.assert_array_equal(y[..., 1:4], x[:, ::2, ::2])
    assert not y[..., [0, 4]].any()


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


def torch_body(torch, in_channels, channels, stride, kind):
    """The convolutions of a block, each followed by batch norm, with ReLUs between them."""
    if kind == "bottleneck":
        convolutions = [(1, channels // 4, 1), (3, channels // 4, stride), (1, channels, 1)]
    else:
        convolutions = [(3, channels, stride), (3, channels, 1)]
    layers = []
    for size, width, step in convolutions:
        layers += [torch.nn.Conv2d(in_channels, width, size, step, size // 2, bias=False)]
        layers += [torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
        in_channels = width
    return torch.nn.Sequential(*layers[:-1])


def torch_block(torch, in_channels, channels, stride, shortcut, kind):
    class Padded(torch.nn.Module):
        def forward(self, x):
            new = channels - in_channels
            before, behind = new // 2, new - new // 2
            return torch.nn.functional.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, before, behind))

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch_body(torch, in_channels, channels, stride, kind)
            if kind == "plain":
                self.shortcut = None
            elif stride == 1 and in_channels == channels:
                self.shortcut = torch.nn.Identity()
            elif shortcut == "projection":
                self.shortcut = torch.nn.Sequential(
                    torch.nn.Conv2d(in_channels, channels, 1, stride, bias=False),
                    torch.nn.BatchNorm2d(channels),
                )
            else:
                self.shortcut = Padded()

        def forward(self, x):
            y = self.body(x)
            return torch.relu(y if self.shortcut is None else y + self.shortcut(x))

    return Block()


def torch_resnet(torch, depths, widths, num_classes, stem, shortcut, kind="basic"):
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
        wide = 4 * width if kind == "bottleneck" else width
        blocks = [torch_block(torch, channels, wide, 1 + (index > 0), shortcut, kind)]
        blocks += [torch_block(torch, wide, wide, 1, shortcut, kind) for _ in range(depth - 1)]
        stages.append(torch.nn.Sequential(*blocks))
        channels = wide
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
    "resnet50": (
        lambda: models.ResNet50(10),
        ((3, 4, 6, 3), (64, 128, 256, 512), 10, "imagenet", "projection", "bottleneck"),
        (2, 64, 64, 3),
    ),
    "bottlenecks with padded shortcuts": (
        lambda: models.resnet.ResNet(
            (1, 2), (4, 8), 3, stem="cifar", shortcut="padding", block=BottleneckBlock
        ),
        ((1, 2), (4, 8), 3, "cifar", "padding", "bottleneck"),
        (2, 9, 8, 3),
    ),
    "plain18": (
        lambda: models.Plain18(10),
        ((2, 2, 2, 2), (64, 128, 256, 512), 10, "imagenet", None, "plain"),
        (2, 64, 64, 3),
    ),
    "plain20": (
        models.Plain20,
        ((3, 3, 3), (16, 32, 64), 10, "cifar", None, "plain"),
        (2, 32, 32, 3),
    ),
}


@pytest.mark.parametrize("name", RESNETS)
def test_resnets_follow_pytorch(name, rng, follow_pytorch):
    make, structure, shape = RESNETS[name]
    follow_pytorch(make(), lambda torch: torch_resnet(torch, *structure), rng.normal(size=shape))
