"""Inception v3: shapes, numbers of parameters and where they come from, and a twin in PyTorch."""

import numpy as np
import pytest
from module_shapes import output_shapes
from torch_parts import global_average, joined, named

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary
from tinynet.models.inception_v3 import make_auxiliary_head

SHAPES = {
    "conv1": (149, 149, 32),
    "conv2": (147, 147, 32),
    "conv3": (147, 147, 64),
    "pool1": (73, 73, 64),
    "conv4": (73, 73, 80),
    "conv5": (71, 71, 192),
    "pool2": (35, 35, 192),
    "mixed5b": (35, 35, 256),
    "mixed5c": (35, 35, 288),
    "mixed5d": (35, 35, 288),
    "mixed6a": (17, 17, 768),
    "mixed6b": (17, 17, 768),
    "mixed6c": (17, 17, 768),
    "mixed6d": (17, 17, 768),
    "mixed6e": (17, 17, 768),
    "mixed7a": (8, 8, 1280),
    "mixed7b": (8, 8, 2048),
    "mixed7c": (8, 8, 2048),
    "pool": (2048,),
    "dense": (1000,),
}


@pytest.fixture(scope="module")
def plain():
    """The network without auxiliary head."""
    return models.InceptionV3(auxiliary=False).eval()


def test_inception_v3_has_its_shapes(plain):
    assert dict(zip(SHAPES, output_shapes(plain, *SHAPES), strict=True)) == SHAPES


def test_parameters_without_auxiliary_head_are_those_of_pytorch_and_keras(plain):
    table = summary(plain, (299, 299, 3))
    assert table.trainable_parameters == 23_834_568
    norms = [layer for layer in plain.modules() if isinstance(layer, nn.BatchNorm2d)]
    scales = sum(norm.weight.size for norm in norms)
    assert scales == 17_216
    assert table.non_trainable_parameters == 2 * scales == 34_432
    # Keras leaves the scales out and counts the running statistics.
    assert table.total_parameters - scales == 23_851_784


def test_the_auxiliary_head_adds_its_parameters():
    head = (768 + 2) * 128 + (5 * 5 * 128 + 2) * 768 + (768 + 1) * 1000
    assert models.InceptionV3().num_parameters() == 23_834_568 + head == 27_161_264


def test_there_are_ninety_four_convolutions_and_about_five_billion_multiply_adds(plain):
    assert sum(isinstance(layer, nn.Conv2d) for layer in plain.modules()) == 94
    # Section 1 of the paper: 5 billion multiply-adds.
    assert summary(plain, (299, 299, 3)).multiply_adds == 5_713_216_096


def test_seven_by_seven_windows_are_factorised():
    model = models.InceptionV3(num_classes=2, input_size=75, auxiliary=False)
    sizes = {layer.kernel_size for layer in model.modules() if isinstance(layer, nn.Conv2d)}
    assert sizes == {(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (1, 3), (3, 1)}
    middle = [getattr(model, f"mixed6{letter}").branch7x7[0].conv.out_channels for letter in "bcde"]
    assert middle == [128, 160, 160, 192]


def test_the_auxiliary_head_sees_mixed6e_in_training_alone():
    model = models.InceptionV3(num_classes=4).eval()
    seen = []
    model.auxiliary.register_forward_hook(lambda _module, inputs, output: seen.append((inputs[0], output)))
    made = []
    model.mixed6e.register_forward_hook(lambda _module, _inputs, output: made.append(output))
    # Nothing but the model itself is in training: batch norm has no statistics of an empty batch.
    no_images = tn.tensor(np.zeros((0, 299, 299, 3), np.float32))
    assert model(no_images).shape == (0, 4)
    assert not seen
    model.training = True
    output = model(no_images)
    assert isinstance(output, models.WithAuxiliary)
    ((given, logits),) = seen
    assert given is made[-1]
    assert output.auxiliary == (logits,)
    assert logits.shape == output.logits.shape == (0, 4)


def test_inception_v3_learns_a_batch(rng):
    tn.manual_seed(0)
    model = models.InceptionV3(num_classes=3, input_size=107, auxiliary=False, dropout=0)
    optimizer = tn.optim.SGD(model.parameters(), lr=0.02)
    x, labels = tn.tensor(rng.normal(size=(2, 107, 107, 3)).astype(np.float32)), np.arange(2)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = models.auxiliary_loss(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    with tn.no_grad():
        logits = model.eval()(x).numpy()
        np.testing.assert_array_equal(model(x).numpy(), logits)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"input_size": 298}, "InceptionV3: input_size should be at least 299 with auxiliary head, not 298"),
        (
            {"input_size": 74, "auxiliary": False},
            "InceptionV3: input_size should be at least 75 without auxiliary head, not 74",
        ),
    ],
)
def test_inception_v3_refuses_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError) as caught:
        models.InceptionV3(**arguments)
    assert str(caught.value) == text


# The same network in PyTorch


def torch_conv(torch, in_channels, channels, kernel_size, stride=1, padding=0):
    return named(
        torch,
        {
            "conv": torch.nn.Conv2d(in_channels, channels, kernel_size, stride, padding, bias=False),
            "norm": torch.nn.BatchNorm2d(channels, eps=1e-3),
            "relu": torch.nn.ReLU(),
        },
    )


def torch_inception_v3(torch, num_classes):
    def conv(*arguments):
        return torch_conv(torch, *arguments)

    def chain(*layers):
        return torch.nn.Sequential(*layers)

    def pooled(in_channels, channels):
        pool = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        return named(torch, {"pool": pool, "conv": conv(in_channels, channels, 1)})

    def module_a(c, pool_channels):
        branches = {
            "branch1x1": conv(c, 64, 1),
            "branch5x5": chain(conv(c, 48, 1), conv(48, 64, 5, 1, 2)),
            "branch3x3double": chain(conv(c, 64, 1), conv(64, 96, 3, 1, 1), conv(96, 96, 3, 1, 1)),
            "branch_pool": pooled(c, pool_channels),
        }
        return joined(torch, branches)

    def module_b(c):
        branches = {
            "branch3x3": chain(conv(c, 384, 3, 2)),
            "branch3x3double": chain(conv(c, 64, 1), conv(64, 96, 3, 1, 1), conv(96, 96, 3, 2)),
            "branch_pool": torch.nn.MaxPool2d(3, 2),
        }
        return joined(torch, branches)

    def across(c, channels, size):
        return conv(c, channels, (1, size), 1, (0, size // 2))

    def down(c, channels, size):
        return conv(c, channels, (size, 1), 1, (size // 2, 0))

    def module_c(c, m):
        branches = {
            "branch1x1": conv(c, 192, 1),
            "branch7x7": chain(conv(c, m, 1), across(m, m, 7), down(m, 192, 7)),
            "branch7x7double": chain(
                conv(c, m, 1), down(m, m, 7), across(m, m, 7), down(m, m, 7), across(m, 192, 7)
            ),
            "branch_pool": pooled(c, 192),
        }
        return joined(torch, branches)

    def module_d(c):
        branches = {
            "branch3x3": chain(conv(c, 192, 1), conv(192, 320, 3, 2)),
            "branch7x7x3": chain(
                conv(c, 192, 1), across(192, 192, 7), down(192, 192, 7), conv(192, 192, 3, 2)
            ),
            "branch_pool": torch.nn.MaxPool2d(3, 2),
        }
        return joined(torch, branches)

    def fork(*trunk):
        ends = joined(torch, {"across": across(384, 384, 3), "down": down(384, 384, 3)})
        return named(torch, {"trunk": chain(*trunk), "ends": ends})

    def module_e(c):
        branches = {
            "branch1x1": conv(c, 320, 1),
            "branch3x3": fork(conv(c, 384, 1)),
            "branch3x3double": fork(conv(c, 448, 1), conv(448, 384, 3, 1, 1)),
            "branch_pool": pooled(c, 192),
        }
        return joined(torch, branches)

    layers = {
        "conv1": conv(3, 32, 3, 2),
        "conv2": conv(32, 32, 3),
        "conv3": conv(32, 64, 3, 1, 1),
        "pool1": torch.nn.MaxPool2d(3, 2),
        "conv4": conv(64, 80, 1),
        "conv5": conv(80, 192, 3),
        "pool2": torch.nn.MaxPool2d(3, 2),
        "mixed5b": module_a(192, 32),
        "mixed5c": module_a(256, 64),
        "mixed5d": module_a(288, 64),
        "mixed6a": module_b(288),
        "mixed6b": module_c(768, 128),
        "mixed6c": module_c(768, 160),
        "mixed6d": module_c(768, 160),
        "mixed6e": module_c(768, 192),
        "mixed7a": module_d(768),
        "mixed7b": module_e(1280),
        "mixed7c": module_e(2048),
        "pool": global_average(torch),
        "dense": torch.nn.Linear(2048, num_classes),
    }
    return named(torch, layers)


def test_inception_v3_follows_pytorch(rng, follow_pytorch):
    tn.manual_seed(0)
    model = models.InceptionV3(3, input_size=107, auxiliary=False, dropout=0)
    images = rng.normal(size=(2, 75, 107, 3))
    follow_pytorch(model, lambda torch: torch_inception_v3(torch, 3), images)


def test_the_auxiliary_head_follows_pytorch(rng, follow_pytorch):
    def twin(torch):
        layers = {
            "average": torch.nn.AvgPool2d(5, 3),
            "conv1": torch_conv(torch, 768, 128, 1),
            "conv2": torch_conv(torch, 128, 768, 5),
            "pool": global_average(torch),
            "dense": torch.nn.Linear(768, 3),
        }
        return named(torch, layers)

    tn.manual_seed(0)
    follow_pytorch(make_auxiliary_head(3), twin, rng.normal(size=(2, 20, 17, 768)))
