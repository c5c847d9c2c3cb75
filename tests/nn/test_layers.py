"""Layers: shapes, parameters, repr, arguments at fault, behaviour in training and inference."""

import copy

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ArgumentError, ShapeError

# layer, the shape of x, the shape of the output, the number of parameters, repr
LAYERS = [
    (nn.Linear(3, 5), (7, 3), (7, 5), 20, "Linear(3, 5, bias=True)"),
    (nn.Linear(3, 5, bias=False), (2, 4, 3), (2, 4, 5), 15, "Linear(3, 5, bias=False)"),
    (nn.Conv1d(3, 5, 3), (2, 9, 3), (2, 7, 5), 50, "Conv1d(3, 5, kernel_size=(3,))"),
    (
        nn.Conv2d(3, 6, (3, 5), stride=2, padding=1, dilation=(1, 2), groups=3, bias=False),
        (2, 8, 9, 3),
        (2, 4, 2, 6),
        90,
        "Conv2d(3, 6, kernel_size=(3, 5), stride=(2, 2), padding=1, dilation=(1, 2), groups=3, bias=False)",
    ),
    (
        nn.Conv2d(3, 4, 3, stride=2, padding="same"),
        (2, 7, 8, 3),
        (2, 4, 4, 4),
        112,
        "Conv2d(3, 4, kernel_size=(3, 3), stride=(2, 2), padding='same')",
    ),
    (nn.Conv2d(1, 1, 2, padding=((0, 1), (2, 0))), (1, 4, 4, 1), (1, 4, 5, 1), 5, None),
    (nn.Conv3d(2, 3, 2), (2, 4, 4, 4, 2), (2, 3, 3, 3, 3), 51, "Conv3d(2, 3, kernel_size=(2, 2, 2))"),
    (
        nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2),
        (2, 5, 5, 4),
        (2, 12, 12, 6),
        114,
        "ConvTranspose2d(4, 6, kernel_size=(3, 3), stride=(2, 2), groups=2, output_padding=(1, 1))",
    ),
    (nn.ConvTranspose1d(2, 3, 4), (1, 5, 2), (1, 8, 3), 27, None),
    (nn.ConvTranspose3d(2, 3, 2, stride=2), (1, 2, 3, 4, 2), (1, 4, 6, 8, 3), 51, None),
    (nn.MaxPool1d(2), (2, 9, 3), (2, 4, 3), 0, "MaxPool1d(kernel_size=(2,), stride=(2,), padding=0)"),
    (
        nn.MaxPool2d(3, 1, padding="same", dilation=2),
        (2, 6, 7, 3),
        (2, 6, 7, 3),
        0,
        "MaxPool2d(kernel_size=(3, 3), stride=(1, 1), padding='same', dilation=(2, 2))",
    ),
    (nn.MaxPool3d(2), (1, 4, 4, 4, 2), (1, 2, 2, 2, 2), 0, None),
    (nn.AvgPool1d(2), (2, 9, 3), (2, 4, 3), 0, None),
    (nn.AvgPool2d((2, 3)), (2, 6, 6, 3), (2, 3, 2, 3), 0, None),
    (nn.AvgPool3d(2), (1, 4, 4, 4, 2), (1, 2, 2, 2, 2), 0, None),
    (nn.AdaptiveAvgPool2d((3, 2)), (2, 7, 5, 3), (2, 3, 2, 3), 0, "AdaptiveAvgPool2d(output_size=(3, 2))"),
    (nn.AdaptiveMaxPool2d(2), (2, 7, 5, 3), (2, 2, 2, 3), 0, None),
    (nn.GlobalAvgPool2d(), (2, 7, 5, 3), (2, 3), 0, "GlobalAvgPool2d()"),
    (nn.GlobalMaxPool2d(), (2, 7, 5, 3), (2, 3), 0, None),
    (nn.BatchNorm1d(3), (4, 3), (4, 3), 6, "BatchNorm1d(3, eps=1e-05, momentum=0.1)"),
    (nn.BatchNorm1d(3), (4, 5, 3), (4, 5, 3), 6, None),
    (nn.BatchNorm2d(3, affine=False), (4, 5, 5, 3), (4, 5, 5, 3), 0, None),
    (nn.BatchNorm3d(3), (2, 2, 2, 2, 3), (2, 2, 2, 2, 3), 6, None),
    (nn.LayerNorm((5, 3)), (4, 5, 3), (4, 5, 3), 30, "LayerNorm((5, 3), eps=1e-05)"),
    (nn.LayerNorm(3, bias=False), (4, 5, 3), (4, 5, 3), 3, None),
    (nn.GroupNorm(2, 6), (4, 5, 5, 6), (4, 5, 5, 6), 12, "GroupNorm(2, 6, eps=1e-05)"),
    (nn.InstanceNorm2d(3), (2, 4, 4, 3), (2, 4, 4, 3), 0, "InstanceNorm2d(3, eps=1e-05)"),
    (
        nn.LocalResponseNorm(5),
        (2, 4, 4, 8),
        (2, 4, 4, 8),
        0,
        "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)",
    ),
    (nn.Dropout(0.3), (4, 5), (4, 5), 0, "Dropout(p=0.3)"),
    (nn.Dropout2d(), (4, 5, 5, 2), (4, 5, 5, 2), 0, "Dropout2d(p=0.5)"),
    (nn.AlphaDropout(0.1), (4, 5), (4, 5), 0, "AlphaDropout(p=0.1)"),
    (nn.Flatten(), (4, 5, 6, 2), (4, 60), 0, "Flatten(start_axis=1, end_axis=-1)"),
    (nn.Flatten(0, 1), (4, 5, 6), (20, 6), 0, None),
    (nn.Reshape(3, -1), (4, 6, 2), (4, 3, 4), 0, "Reshape((3, -1))"),
    (nn.Reshape((12,)), (0, 6, 2), (0, 12), 0, None),
    (nn.Reshape(-1), (0, 6, 2), (0, 12), 0, None),
    (nn.Unflatten(1, (2, -1)), (4, 6, 3), (4, 2, 3, 3), 0, "Unflatten(axis=1, sizes=(2, -1))"),
    (nn.Upsample(scale_factor=2), (1, 3, 4, 2), (1, 6, 8, 2), 0, "Upsample(scale_factor=2, mode='nearest')"),
    (nn.Upsample(size=(5, 6), mode="bilinear"), (1, 3, 4, 2), (1, 5, 6, 2), 0, None),
    (nn.DepthToSpace(2), (1, 3, 4, 8), (1, 6, 8, 2), 0, "DepthToSpace(2)"),
    (nn.SpaceToDepth(2), (1, 6, 8, 2), (1, 3, 4, 8), 0, "SpaceToDepth(2)"),
    (nn.PixelShuffle(2), (1, 3, 4, 8), (1, 6, 8, 2), 0, "PixelShuffle(2)"),
    (nn.PixelUnshuffle(2), (1, 6, 8, 2), (1, 3, 4, 8), 0, None),
    (nn.ZeroPad2d(1), (1, 3, 4, 2), (1, 5, 6, 2), 0, "ZeroPad2d(((1, 1), (1, 1)))"),
    (nn.ReflectionPad2d((1, 2)), (1, 3, 4, 2), (1, 5, 8, 2), 0, None),
    (nn.ReplicationPad2d(((0, 1), (2, 3))), (1, 3, 4, 2), (1, 4, 9, 2), 0, None),
    (nn.PReLU(), (2, 3), (2, 3), 1, "PReLU(num_parameters=1)"),
    (nn.PReLU(3), (2, 3), (2, 3), 3, "PReLU(num_parameters=3)"),
    (nn.LeakyReLU(0.2), (2, 3), (2, 3), 0, "LeakyReLU(negative_slope=0.2)"),
    (nn.ELU(), (2, 3), (2, 3), 0, "ELU(alpha=1.0)"),
    (nn.GELU("tanh"), (2, 3), (2, 3), 0, "GELU(approximate='tanh')"),
    (nn.Softplus(), (2, 3), (2, 3), 0, "Softplus(beta=1.0, threshold=20.0)"),
    (nn.Hardtanh(), (2, 3), (2, 3), 0, "Hardtanh(min_val=-1.0, max_val=1.0)"),
    (nn.Softmax(1), (2, 3, 4), (2, 3, 4), 0, "Softmax(axis=1)"),
    (nn.LogSoftmax(), (2, 3), (2, 3), 0, "LogSoftmax(axis=-1)"),
]


@pytest.mark.parametrize(
    ("layer", "shape", "output_shape", "parameters", "text"),
    [pytest.param(*row, id=f"{index}-{row[0]!r}") for index, row in enumerate(LAYERS)],
)
def test_shape_parameters_and_repr(layer, shape, output_shape, parameters, text, rng):
    x = rng.normal(0, 1, shape).astype(np.float32)
    layer = copy.deepcopy(layer)
    y = layer(x)
    assert y.shape == output_shape
    assert y.dtype == np.float32
    assert layer.num_parameters() == parameters
    assert not (vars(layer).keys() & dir(nn.Module)), "an attribute hides a method of Module"
    if text is not None:
        assert repr(layer) == text


@pytest.mark.parametrize(
    ("layer", "shape", "output_shape"),
    [pytest.param(*row[:3], id=f"{index}-{type(row[0]).__name__}") for index, row in enumerate(LAYERS)],
)
def test_empty_batch(layer, shape, output_shape):
    y = copy.deepcopy(layer)(np.zeros((0, *shape[1:]), np.float32))
    assert y.shape == (0, *output_shape[1:])


def test_embedding_shape_and_repr():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer(np.array([[0, 4], [1, 1], [2, 3]])).shape == (3, 2, 3)
    assert repr(layer) == "Embedding(5, 3, padding_idx=4)"
    assert not layer.weight.data[4].any()
    assert layer.weight.data[:4].all()


def test_weights_and_biases_have_the_documented_shapes():
    assert nn.Linear(3, 5).weight.shape == (3, 5)
    assert nn.Conv2d(6, 4, (2, 3), groups=2).weight.shape == (2, 3, 3, 4)
    assert nn.Conv2d(6, 4, (2, 3), groups=2).bias.shape == (4,)
    assert nn.ConvTranspose2d(6, 4, (2, 3), groups=2).weight.shape == (2, 3, 2, 6)
    assert nn.ConvTranspose2d(6, 4, (2, 3), groups=2).bias.shape == (4,)
    assert nn.Linear(3, 5, bias=False).bias is None
    assert [name for name, _ in nn.BatchNorm2d(3).named_buffers()] == ["running_mean", "running_var"]
    assert list(nn.BatchNorm2d(3, affine=False, track_running_stats=False).state_dict()) == []


def test_a_generator_makes_layers_repeatable():
    one, other = (nn.Conv2d(3, 4, 3, generator=tn.Generator(5)) for _ in range(2))
    np.testing.assert_array_equal(one.weight.numpy(), other.weight.numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Linear(0, 3), "Linear: in_features must be an integer of at least 1, not 0"),
        (lambda: nn.Linear(3, 2.5), "Linear: out_features must be an integer of at least 1, not 2.5"),
        (lambda: nn.Linear(True, 3), "Linear: in_features must be an integer of at least 1, not True"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "Conv2d: kernel_size must be .* 2 of them, not (3, 3, 3)"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), "Conv2d: stride must be .* at least 1 .*, not .*0"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "Conv2d: padding must be 'same', .* not 'full'"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), "Conv2d: padding must be .*, none negative, not .*-1"),
        (
            lambda: nn.Conv2d(3, 4, 3, groups=2),
            "Conv2d: groups (2) must divide both in_channels (3) and out_channels (4)",
        ),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, output_padding=-1),
            "ConvTranspose2d: output_padding must .* -1",
        ),
        (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size must be .* at least 1 .*, not .*0"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), "AdaptiveAvgPool2d: output_size must be .* not (1, 2, 3)"),
        (lambda: nn.BatchNorm2d(3, momentum=2), "BatchNorm2d: momentum must lie in [0, 1], not 2"),
        (lambda: nn.BatchNorm2d(3, eps=-1), "BatchNorm2d: eps must not be below 0, but is -1"),
        (lambda: nn.LayerNorm(()), "LayerNorm: normalized_shape must name at least one axis"),
        (lambda: nn.GroupNorm(4, 6), "GroupNorm: num_groups (4) must divide num_channels (6)"),
        (lambda: nn.Dropout(1.5), "Dropout: p must lie in [0, 1], not 1.5"),
        (lambda: nn.Dropout("half"), "Dropout: p must lie in [0, 1], not 'half'"),
        (lambda: nn.Embedding(5, 3, 5), "Embedding: padding_idx 5 is outside the table of 5 rows"),
        (lambda: nn.Upsample(), "Upsample: give either size or scale_factor"),
        (lambda: nn.Upsample(2, mode="cubic"), "Upsample: mode must be 'nearest' or 'bilinear', not 'cubic'"),
        (lambda: nn.Reshape(-1, -1), "Reshape: sizes must be integers .* not (-1, -1)"),
        (lambda: nn.ZeroPad2d((1, 2, 3)), "ZeroPad2d: padding must be an integer .* not (1, 2, 3)"),
        (lambda: nn.ZeroPad2d(-1), "ZeroPad2d: padding must be an integer of at least 0.* not -1"),
        (lambda: nn.GELU("erf"), "GELU: approximate must be False or 'tanh', not 'erf'"),
        (lambda: nn.Softplus(0), "Softplus: beta must be above 0, not 0"),
        (lambda: nn.Hardtanh(1, 1), "Hardtanh: min_val (1) must be below max_val (1)"),
        (lambda: nn.MSELoss("avg"), "MSELoss: reduction must be 'none', 'mean' or 'sum', not 'avg'"),
        (lambda: nn.KLDivLoss("avg"), "KLDivLoss: reduction must be .* 'batchmean' or 'sum', not 'avg'"),
        (lambda: nn.HuberLoss(delta=0), "HuberLoss: delta must be above 0, not 0"),
        (lambda: nn.SmoothL1Loss(beta=-1), "SmoothL1Loss: beta must not be below 0, but is -1"),
        (lambda: nn.MultiMarginLoss(3), "MultiMarginLoss: p must be 1 or 2, not 3"),
    ],
)
def test_arguments_at_fault_are_named(make, message):
    pattern = ".*".join(_escaped(part) for part in message.split(".*"))
    with pytest.raises(ArgumentError, match=f"^{pattern}"):
        make()


def _escaped(text):
    return "".join(f"\\{character}" if character in "()[].*+?-" else character for character in text)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm2d(3), (4, 3), r"BatchNorm2d: x must have the shape \(N, H, W, C\), not \(4, 3\)"),
        (nn.BatchNorm1d(3), (4, 5, 5, 3), r"BatchNorm1d: x must have the shape \(N, C\) or \(N, T, C\)"),
        (
            nn.LayerNorm((5, 3)),
            (4, 3, 5),
            r"LayerNorm: x must have the shape \(\.\.\., 5, 3\), not \(4, 3, 5\)",
        ),
        (nn.InstanceNorm2d(3), (4, 5, 5, 2), r"InstanceNorm2d: x must have the shape \(N, H, W, 3\)"),
        (nn.Reshape(4), (2, 6), r"Reshape: 6 elements of the sizes \(6,\) do not fit into \(4,\)"),
        (
            nn.Unflatten(1, (4, -1)),
            (2, 6),
            r"Unflatten: 6 elements of the sizes \(6,\) do not fit into \(4, -1\)",
        ),
        (nn.Unflatten(3, (2, 3)), (2, 6), r"Unflatten: axis 3 does not exist in x of shape \(2, 6\)"),
        (nn.ZeroPad2d(1), (2, 6), r"ZeroPad2d: x must have the shape \(N, H, W, C\), not \(2, 6\)"),
        (nn.Linear(3, 4), (2, 6), r"linear: x has 6 features \(shape \(2, 6\)\) but weight expects 3"),
        (nn.Conv2d(3, 4, 3), (2, 6), r"conv2d: .*\(2, 6\)"),
        (nn.Conv2d(3, 4, 5), (1, 4, 9, 3), r"conv2d: the window covers 5 .* spatial axis 0 of x has only 4"),
    ],
)
def test_inputs_at_fault_are_named(layer, shape, message):
    with pytest.raises(ShapeError, match=f"^{message}"):
        layer(np.zeros(shape, np.float32))


def test_batch_norm_normalises_in_training_and_uses_running_statistics_in_inference(rng):
    layer = nn.BatchNorm2d(3, momentum=1.0)
    x = rng.normal(5, 2, (8, 6, 6, 3)).astype(np.float32)
    y = layer(x).numpy()
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-3)
    np.testing.assert_allclose(layer.running_mean.numpy(), x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), x.var((0, 1, 2), ddof=1), rtol=1e-4)
    layer.eval()
    before = layer.running_mean.numpy().copy()
    np.testing.assert_allclose(layer(x[:1]).numpy(), y[:1], atol=1e-2)
    np.testing.assert_array_equal(layer.running_mean.numpy(), before)


def test_dropout_drops_in_training_only(rng):
    layer = nn.Dropout(0.25, generator=tn.Generator(0))
    x = np.ones((200, 100), np.float32)
    y = layer(x).numpy()
    assert set(np.unique(y).tolist()) == {0.0, np.float32(1 / 0.75).item()}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.01)
    layer.eval()
    np.testing.assert_array_equal(layer(x).numpy(), x)


def test_dropout2d_drops_whole_channels():
    y = nn.Dropout2d(0.5, generator=tn.Generator(0))(np.ones((20, 4, 4, 10), np.float32)).numpy()
    assert (y == y[:, :1, :1]).all()
    assert 0.3 < (y[:, 0, 0] == 0).mean() < 0.7


def test_dropout_with_a_generator_is_repeatable():
    x = np.ones((5, 5), np.float32)
    one, other = (nn.Dropout(generator=tn.Generator(3))(x).numpy() for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_loss_weights_move_with_the_loss_but_are_not_saved():
    loss = nn.CrossEntropyLoss(weight=[1.0, 2.0])
    assert [name for name, _ in loss.named_buffers()] == ["weight"]
    assert loss.state_dict() == {}
    assert loss.to("float64").weight.dtype == np.float64
    assert repr(nn.HuberLoss(delta=2.0)) == "HuberLoss(reduction='mean', delta=2.0)"


def test_space_and_depth_are_inverse(rng):
    x = rng.normal(0, 1, (2, 4, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(nn.DepthToSpace(2)(nn.SpaceToDepth(2)(x)).numpy(), x)
    np.testing.assert_array_equal(nn.PixelShuffle(2)(nn.PixelUnshuffle(2)(x)).numpy(), x)


def test_every_layer_is_offered_by_the_package():
    modules = (
        "activations",
        "arithmetic",
        "capsules",
        "containers",
        "convolution",
        "dropout",
        "embedding",
        "linear",
        "losses",
    )
    modules += ("normalization", "pooling", "resampling", "shaping", "summary")
    for name in modules:
        module = __import__(f"tinynet.nn.{name}", fromlist=["__all__"])
        for public in module.__all__:
            assert getattr(nn, public) is getattr(module, public)
            assert getattr(nn, public).__doc__, public
