"""GoogLeNet: the paper's table, multiplications, auxiliary heads, and a twin in PyTorch."""

import numpy as np
import pytest
from module_shapes import output_shapes
from torch_parts import flatten, function, global_average, joined, max_pool_of_even_sizes, named

import tinynet as tn
from tinynet import functional as F
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.googlenet import InceptionModule

# Table 1 of the paper: output shape for images of 224 × 224, then
# 1×1 | 3×3 reduce, 3×3 | 5×5 reduce, 5×5 | pool projection.
MODULES = {
    "inception3a": ((28, 28, 256), (64, 96, 128, 16, 32, 32)),
    "inception3b": ((28, 28, 480), (128, 128, 192, 32, 96, 64)),
    "inception4a": ((14, 14, 512), (192, 96, 208, 16, 48, 64)),
    "inception4b": ((14, 14, 512), (160, 112, 224, 24, 64, 64)),
    "inception4c": ((14, 14, 512), (128, 128, 256, 24, 64, 64)),
    "inception4d": ((14, 14, 528), (112, 144, 288, 32, 64, 64)),
    "inception4e": ((14, 14, 832), (256, 160, 320, 32, 128, 128)),
    "inception5a": ((7, 7, 832), (256, 160, 320, 32, 128, 128)),
    "inception5b": ((7, 7, 1024), (384, 192, 384, 48, 128, 128)),
}
STEM = {
    "stem.conv1": (112, 112, 64),
    "stem.pool1": (56, 56, 64),
    "stem.norm1": (56, 56, 64),
    "stem.reduce2": (56, 56, 64),
    "stem.conv2": (56, 56, 192),
    "stem.norm2": (56, 56, 192),
    "stem.pool2": (28, 28, 192),
}
HEADS = {
    "auxiliary1.pool": (4, 4, 512),
    "auxiliary1.conv": (4, 4, 128),
    "auxiliary1.dense1": (1024,),
    "auxiliary1.dense2": (1000,),
    "auxiliary2.pool": (4, 4, 528),
    "auxiliary2.conv": (4, 4, 128),
    "auxiliary2.dense1": (1024,),
    "auxiliary2.dense2": (1000,),
}
SMALL = {"num_classes": 3, "stem": "cifar", "width": 0.125, "dropout": 0, "auxiliary_dropout": 0}


def test_googlenet_has_the_shapes_of_the_paper():
    shapes = {**STEM, **{name: shape for name, (shape, _) in MODULES.items()}, **HEADS, "pool": (1024,)}
    model = models.GoogLeNet()
    assert dict(zip(shapes, output_shapes(model, *shapes), strict=True)) == shapes


def test_the_modules_have_the_widths_of_the_paper():
    model = models.GoogLeNet()
    for name, (shape, widths) in MODULES.items():
        module = getattr(model, name)
        convs = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
        assert tuple(conv.out_channels for conv in convs) == widths, name
        assert [conv.kernel_size[0] for conv in convs] == [1, 1, 3, 1, 5, 1]
        assert module.out_channels == shape[-1]


def parameters_of_the_paper(conv_extra):
    """What table 1 amounts to, with `conv_extra` parameters for each output channel beside the kernels."""
    layers = [(7 * 7 * 3, 64), (64, 64), (3 * 3 * 64, 192)]
    channels = 192
    for shape, (one, reduce3, three, reduce5, five, pool) in MODULES.values():
        layers += [(channels, one), (channels, reduce3), (9 * reduce3, three)]
        layers += [(channels, reduce5), (25 * reduce5, five), (channels, pool)]
        channels = shape[-1]
    return sum((inputs + conv_extra) * outputs for inputs, outputs in layers) + (1024 + 1) * 1000


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 6_998_552),
        ({"normalization": None}, 6_998_552),
        ({"normalization": "batch"}, 7_005_832),
        ({"normalization": "batch", "large_kernel": 3}, 6_624_904),
    ],
)
def test_googlenet_has_its_number_of_parameters(options, count):
    assert models.GoogLeNet(auxiliary=False, **options).num_parameters() == count
    if "large_kernel" not in options:
        assert parameters_of_the_paper(2 if options.get("normalization") else 1) == count


def test_the_auxiliary_heads_add_their_parameters():
    head = [(channels + 1) * 128 + (2048 + 1) * 1024 + (1024 + 1) * 1000 for channels in (512, 528)]
    assert models.GoogLeNet().num_parameters() == 6_998_552 + sum(head) == 13_378_280


def test_depth_is_twenty_two_layers_with_parameters():
    # Each module has two on its longest way.
    stem = [layer for layer in models.GoogLeNet().stem.modules() if isinstance(layer, nn.Conv2d)]
    assert len(stem) + 2 * len(MODULES) + 1 == 22


def test_multiply_adds_of_the_first_module_s_large_window_are_the_documented_ones():
    (naive,) = summary(nn.Conv2d(192, 32, 5, padding="same"), (28, 28, 192))
    assert naive.output_shape == (None, 28, 28, 32)
    assert naive.multiply_adds == 28 * 28 * 32 * 5 * 5 * 192 == 120_422_400

    table = summary(models.GoogLeNet(), (224, 224, 3))
    rows = {row.name: row.multiply_adds for row in table}
    narrow = rows["inception3a.branch3.0.conv"]
    wide = rows["inception3a.branch3.1.conv"]
    assert narrow == 28 * 28 * 16 * 192 == 2_408_448
    assert wide == 28 * 28 * 32 * 5 * 5 * 16 == 10_035_200
    assert narrow + wide == 12_443_648
    # Section 5 of the paper: 1.5 billion multiply-adds at inference time.
    assert table.multiply_adds == pytest.approx(1.5e9, rel=0.06)


def test_a_module_joins_its_branches_in_the_paper_s_order(rng):
    module = InceptionModule(6, (1, 2, 3, 2, 4, 5))
    x = tn.tensor(rng.normal(size=(2, 5, 4, 6)).astype(np.float32))
    y = module(x).numpy()
    assert y.shape == (2, 5, 4, 1 + 3 + 4 + 5)
    parts = np.split(y, np.cumsum([1, 3, 4]), axis=-1)
    for number, part in enumerate(parts, 1):
        np.testing.assert_array_equal(part, getattr(module, f"branch{number}")(x).numpy())


def test_small_images_keep_their_size_until_the_second_stage():
    model = models.GoogLeNet(num_classes=10, stem="cifar", width=0.5)
    names = "stem", "inception3a", "inception4a", "auxiliary1.pool", "auxiliary2.pool", "inception5b", "dense"
    assert output_shapes(model, *names) == [
        (32, 32, 96),
        (32, 32, 128),
        (16, 16, 256),
        (4, 4, 256),
        (4, 4, 264),
        (8, 8, 512),
        (10,),
    ]


def test_auxiliary_logits_join_training_and_disappear_in_inference(rng):
    model = models.GoogLeNet(**SMALL)
    x = tn.tensor(rng.normal(size=(2, 32, 32, 3)).astype(np.float32))
    output = model(x)
    assert isinstance(output, models.WithAuxiliary)
    assert [logits.shape for logits in (output.logits, *output.auxiliary)] == [(2, 3)] * 3
    np.testing.assert_allclose(model.eval()(x).numpy(), output.logits.numpy(), rtol=1e-5, atol=1e-6)
    assert not any(row.name.startswith("auxiliary") for row in summary(model, (32, 32, 3)))
    assert models.GoogLeNet(**SMALL, auxiliary=False)(x).shape == (2, 3)


def test_the_auxiliary_loss_adds_three_tenths_of_each_head_s(rng):
    logits = [tn.tensor(rng.normal(size=(4, 3))) for _ in range(3)]
    labels = np.array([0, 2, 1, 1])
    main, first, second = [F.cross_entropy(each, labels).item() for each in logits]
    output = models.WithAuxiliary(logits[0], tuple(logits[1:]))
    loss = models.auxiliary_loss(output, labels).item()
    assert loss == pytest.approx(main + 0.3 * (first + second), rel=1e-12)
    assert models.auxiliary_loss(output, labels, weight=0).item() == pytest.approx(main, rel=1e-12)
    assert models.auxiliary_loss(logits[0], labels).item() == main
    doubled = models.auxiliary_loss(output, labels, loss=lambda *given: 2 * F.cross_entropy(*given))
    assert doubled.item() == pytest.approx(2 * loss, rel=1e-12)


@pytest.mark.parametrize("normalization", ["local response", "batch", None])
def test_a_small_googlenet_learns_a_batch(normalization, rng):
    tn.manual_seed(0)
    model = models.GoogLeNet(**SMALL, normalization=normalization)
    optimizer = tn.optim.Adam(model.parameters(), lr=1e-3)
    x, labels = tn.tensor(rng.normal(size=(4, 32, 32, 3)).astype(np.float32)), np.arange(4) % 3
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = models.auxiliary_loss(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in model.parameters())
    with tn.no_grad():
        logits = model.eval()(x).numpy()
        np.testing.assert_array_equal(model(x).numpy(), logits)


def test_a_trainer_takes_the_auxiliary_loss_for_training_and_validation(rng):
    model = models.GoogLeNet(**SMALL, normalization="batch")
    optimizer = tn.optim.Adam(model.parameters(), lr=1e-3)
    trainer = tn.Trainer(model, optimizer, models.auxiliary_loss, metrics=["accuracy"])
    x, labels = rng.normal(size=(6, 32, 32, 3)).astype(np.float32), np.arange(6) % 3
    history = trainer.fit(x, labels, validation_data=(x, labels), epochs=1, batch_size=3, verbose=0)
    assert set(history.columns) >= {"loss", "accuracy", "val_loss", "val_accuracy"}
    logits = trainer.predict(x)
    expected = F.cross_entropy(tn.tensor(logits), labels).item()
    assert trainer.evaluate(x, labels)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"stem": "mnist"}, "GoogLeNet: stem should be 'imagenet' or 'cifar', not 'mnist'"),
        (
            {"normalization": "layer"},
            "GoogLeNet: normalization should be 'local response' or 'batch' or None, not 'layer'",
        ),
        ({"large_kernel": 7}, "GoogLeNet: large_kernel should be 3 or 5, not 7"),
        ({"width": 0}, "GoogLeNet: width should be above 0, not 0"),
        (
            {"input_size": 64},
            "GoogLeNet: input_size should be at least 65 for the auxiliary heads, not 64",
        ),
        (
            {"stem": "cifar", "input_size": 8},
            "GoogLeNet: input_size should be at least 9 for the auxiliary heads, not 8",
        ),
    ],
)
def test_googlenet_refuses_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError) as caught:
        models.GoogLeNet(**arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize(("stem", "size"), [("imagenet", 65), ("cifar", 9), ("imagenet", 100)])
def test_auxiliary_heads_fit_images_of_other_sizes(stem, size):
    model = models.GoogLeNet(3, stem=stem, width=0.1, input_size=size)
    assert output_shapes(model, "auxiliary1", "auxiliary2", "dense") == [(3,)] * 3


# The same network in PyTorch


class HeadsTogether(nn.Module):
    """Gives main + 0.3 · (first + second) of the logits, so that all heads take part in one number."""

    def __init__(self, network):
        self.network = network

    def forward(self, x):
        output = self.network(x)
        if not self.training:
            return output
        return output.logits + 0.3 * (output.auxiliary[0] + output.auxiliary[1])


def torch_googlenet(torch, num_classes, batch_norm):
    def conv(in_channels, channels, kernel_size, stride=1):
        layers = {
            "conv": torch.nn.Conv2d(
                in_channels, channels, kernel_size, stride, kernel_size // 2, bias=not batch_norm
            )
        }
        if batch_norm:
            layers["norm"] = torch.nn.BatchNorm2d(channels, eps=1e-3)
        return named(torch, {**layers, "relu": torch.nn.ReLU()})

    def module(in_channels, one, reduce3, three, reduce5, five, pool):
        branches = {
            "branch1": conv(in_channels, one, 1),
            "branch2": torch.nn.Sequential(conv(in_channels, reduce3, 1), conv(reduce3, three, 3)),
            "branch3": torch.nn.Sequential(conv(in_channels, reduce5, 1), conv(reduce5, five, 5)),
            "branch4": torch.nn.Sequential(torch.nn.MaxPool2d(3, 1, 1), conv(in_channels, pool, 1)),
        }
        return joined(torch, branches)

    def head(in_channels):
        layers = {
            "pool": torch.nn.AvgPool2d(5, 3),
            "conv": conv(in_channels, 128, 1),
            "flatten": flatten(torch),
            "dense1": torch.nn.Linear(2 * 128, 1024),
            "relu": torch.nn.ReLU(),
            "dense2": torch.nn.Linear(1024, num_classes),
        }
        return named(torch, layers)

    def stem():
        norm = function(torch, lambda x: x) if batch_norm else torch.nn.LocalResponseNorm(5)
        layers = {
            "conv1": conv(3, 64, 7, 2),
            "pool1": max_pool_of_even_sizes(torch),
            "norm1": norm,
            "reduce2": conv(64, 64, 1),
            "conv2": conv(64, 192, 3),
            "norm2": norm,
            "pool2": max_pool_of_even_sizes(torch),
        }
        return named(torch, layers)

    class TorchGoogLeNet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = stem()
            channels = 192
            for name, (shape, widths) in MODULES.items():
                self.add_module(name, module(channels, *widths))
                channels = shape[-1]
            self.dense = torch.nn.Linear(1024, num_classes)
            self.auxiliary1, self.auxiliary2 = head(512), head(528)

        def forward(self, x):
            pool = max_pool_of_even_sizes(torch)
            x = pool(self.inception3b(self.inception3a(self.stem(x))))
            x = first = self.inception4a(x)
            x = second = self.inception4d(self.inception4c(self.inception4b(x)))
            x = self.inception5b(self.inception5a(pool(self.inception4e(x))))
            logits = self.dense(global_average(torch)(x))
            if not self.training:
                return logits
            return logits + 0.3 * (self.auxiliary1(first) + self.auxiliary2(second))

    return named(torch, {"network": TorchGoogLeNet()})


@pytest.mark.parametrize("normalization", ["local response", "batch"])
def test_googlenet_follows_pytorch(normalization, rng, follow_pytorch):
    network = models.GoogLeNet(3, normalization=normalization, input_size=96, dropout=0, auxiliary_dropout=0)
    # For images of 128 × 96 the pools of the heads give 2 × 1 pixels.
    for head in (network.auxiliary1, network.auxiliary2):
        head.dense1 = nn.Linear(2 * 128, 1024)
    images = rng.normal(size=(2, 128, 96, 3))
    batch_norm = normalization == "batch"
    follow_pytorch(HeadsTogether(network), lambda torch: torch_googlenet(torch, 3, batch_norm), images)
