"""DenseNets: the documented shapes and counts, and PyTorch networks of the same layers and weights."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.densenet import DenseBlock, DenseLayer, DenseNet, Transition


def undrawn(model_class, *arguments, **options):
    with nn.init.skipped():
        return model_class(*arguments, **options)


def shapes_of(model):
    """The output shapes of the stem, of every block and transition, of the pool and of the dense layer."""
    found = []

    def note(_module, _inputs, output):
        found.append(output.shape[1:])

    for module in (model.stem, *model.features, model.pool, model.dense):
        module.register_forward_hook(note)
    with tn.no_grad():
        model.eval()(np.zeros((0, *model.input_shape), np.float32))
    return found


def test_densenet40_has_the_documented_shapes():
    assert shapes_of(undrawn(models.DenseNet40)) == [
        (32, 32, 16),
        (32, 32, 160),
        (16, 16, 160),
        (16, 16, 304),
        (8, 8, 304),
        (8, 8, 448),
        (448,),
        (10,),
    ]


def test_densenet121_has_the_shapes_of_the_paper():
    assert shapes_of(undrawn(models.DenseNet121)) == [
        (56, 56, 64),
        (56, 56, 256),
        (28, 28, 128),
        (28, 28, 512),
        (14, 14, 256),
        (14, 14, 1024),
        (7, 7, 512),
        (7, 7, 1024),
        (1024,),
        (1000,),
    ]


def test_mnist_densenet_has_the_documented_shapes():
    assert shapes_of(undrawn(models.MnistDenseNet)) == [
        (28, 28, 16),
        (28, 28, 64),
        (14, 14, 64),
        (14, 14, 112),
        (7, 7, 112),
        (7, 7, 160),
        (160,),
        (10,),
    ]


@pytest.mark.parametrize(
    ("model_class", "options", "trainable", "total"),
    [
        (models.DenseNet40, {}, 1_019_722, 1_037_818),
        (models.DenseNet121, {}, 7_978_856, 8_062_504),
        (models.MnistDenseNet, {}, 127_306, 129_946),
        (models.MnistDenseNet, {"depths": (2, 2), "growth": 4}, 4_506, 4_794),
    ],
)
def test_parameters(model_class, options, trainable, total):
    model = undrawn(model_class, **options)
    table = summary(model, model.input_shape)
    assert (table.trainable_parameters, table.total_parameters) == (trainable, total)


@pytest.mark.parametrize(("model_class", "depth"), [(models.DenseNet40, 40), (models.DenseNet121, 121)])
def test_depth_is_the_number_of_layers_with_weights(model_class, depth):
    modules = undrawn(model_class).modules()
    assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in modules) == depth


def test_layers_are_those_of_the_document_in_their_order():
    plain = [type(layer).__name__ for layer in DenseLayer(8, 12, dropout=0.2).children()]
    assert plain == ["BatchNorm2d", "ReLU", "Conv2d", "Dropout"]
    bottleneck = DenseLayer(8, 12, bottleneck=True)
    kinds = [type(layer).__name__ for layer in bottleneck.children()]
    assert kinds == ["BatchNorm2d", "ReLU", "Conv2d"] * 2
    assert (bottleneck.conv1.kernel_size, bottleneck.conv1.out_channels) == ((1, 1), 48)
    assert (bottleneck.conv2.kernel_size, bottleneck.conv2.out_channels) == ((3, 3), 12)
    kinds = [type(layer).__name__ for layer in Transition(8, 4)]
    assert kinds == ["BatchNorm2d", "ReLU", "Conv2d", "AvgPool2d"]


def test_a_block_passes_its_input_on_beside_what_each_layer_adds(rng):
    block = DenseBlock(3, 5, 2).eval()
    x = rng.normal(size=(2, 4, 4, 5)).astype(np.float32)
    y = block(tn.tensor(x)).numpy()
    assert y.shape == (2, 4, 4, 11)
    np.testing.assert_array_equal(y[..., :5], x)
    for number, layer in enumerate(block.layers):
        seen = 5 + 2 * number
        added = layer(tn.tensor(y[..., :seen].copy())).numpy()
        np.testing.assert_allclose(y[..., seen : seen + 2], added, rtol=1e-5, atol=1e-6)


def test_dropout_acts_in_training_only(rng):
    model = models.MnistDenseNet(depths=(1, 1), growth=4, dropout=0.5)
    assert sum(isinstance(module, nn.Dropout) for module in model.modules()) == 2
    layer = model.features.block1.layers[0]
    x = rng.normal(size=(2, 8, 8, 16)).astype(np.float32)
    assert (layer(tn.tensor(x)).numpy() == 0).mean() == pytest.approx(0.5, abs=0.15)
    layer.eval()
    assert layer(tn.tensor(x)).numpy().all()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"stem": "mnist"}, "DenseNet: stem should be 'imagenet' or 'cifar', not 'mnist'"),
        ({"compression": 0}, r"DenseNet: compression should be in \(0, 1\], not 0"),
        ({"compression": 1.5}, r"DenseNet: compression should be in \(0, 1\], not 1.5"),
    ],
)
def test_wrong_arguments_are_refused(options, text):
    with pytest.raises(ArgumentError, match=text):
        DenseNet((1, 1), 4, 3, **options)


# The same networks in PyTorch


def torch_densenet(torch, depths, growth, num_classes, in_channels, stem, first, bottleneck, compression):
    def convolution(*arguments):
        return torch.nn.Conv2d(*arguments, bias=False)

    def named(**layers):
        network = torch.nn.Sequential()
        for name, layer in layers.items():
            network.add_module(name, layer)
        return network

    def dense_layer(channels):
        layers = {"norm1": torch.nn.BatchNorm2d(channels), "relu1": torch.nn.ReLU()}
        if bottleneck:
            layers["conv1"] = convolution(channels, 4 * growth, 1)
            layers |= {"norm2": torch.nn.BatchNorm2d(4 * growth), "relu2": torch.nn.ReLU()}
            layers["conv2"] = convolution(4 * growth, growth, 3, 1, 1)
        else:
            layers["conv1"] = convolution(channels, growth, 3, 1, 1)
        return named(**layers)

    class Block(torch.nn.Module):
        def __init__(self, depth, channels):
            super().__init__()
            self.layers = torch.nn.ModuleList(dense_layer(channels + i * growth) for i in range(depth))

        def forward(self, x):
            maps = [x]
            for layer in self.layers:
                maps.append(layer(torch.cat(maps, 1)))
            return torch.cat(maps, 1)

    features, channels = {}, first
    for number, depth in enumerate(depths, start=1):
        features[f"block{number}"] = Block(depth, channels)
        channels += depth * growth
        if number < len(depths):
            features[f"transition{number}"] = named(
                norm=torch.nn.BatchNorm2d(channels),
                relu=torch.nn.ReLU(),
                conv=convolution(channels, int(channels * compression), 1),
                pool=torch.nn.AvgPool2d(2),
            )
            channels = int(channels * compression)
    if stem == "cifar":
        start = named(conv=convolution(in_channels, first, 3, 1, 1))
    else:
        start = named(
            conv=convolution(in_channels, first, 7, 2, 3),
            norm=torch.nn.BatchNorm2d(first),
            relu=torch.nn.ReLU(),
            pool=torch.nn.MaxPool2d(3, 2, 1),
        )
    return named(
        stem=start,
        features=named(**features),
        norm=torch.nn.BatchNorm2d(channels),
        relu=torch.nn.ReLU(),
        pool=torch.nn.AdaptiveAvgPool2d(1),
        flatten=torch.nn.Flatten(),
        dense=torch.nn.Linear(channels, num_classes),
    )


DENSENETS = {
    "densenet121": (
        lambda: models.DenseNet121(10),
        ((6, 12, 24, 16), 32, 10, 3, "imagenet", 64, True, 0.5),
        (2, 64, 64, 3),
    ),
    "densenet40": (
        models.DenseNet40,
        ((12, 12, 12), 12, 10, 3, "cifar", 16, False, 1.0),
        (2, 16, 16, 3),
    ),
    "mnist-densenet": (
        models.MnistDenseNet,
        ((4, 4, 4), 12, 10, 1, "cifar", 16, False, 1.0),
        (2, 28, 28, 1),
    ),
}


@pytest.mark.parametrize("name", DENSENETS)
def test_densenets_follow_pytorch(name, rng, follow_pytorch):
    make, structure, shape = DENSENETS[name]
    follow_pytorch(make(), lambda torch: torch_densenet(torch, *structure), rng.normal(size=shape))
