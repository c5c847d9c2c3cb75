"""Every layer against PyTorch's: output, gradients of the input and of all parameters, running statistics."""

import numpy as np
import pytest
from torch_twins import channels_first, channels_last, copy_weights, torch_weight

import tinynet as tn
from tinynet import nn

torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")

SEQUENCE, IMAGE, VOLUME = (3, 9, 4), (2, 7, 8, 4), (2, 5, 6, 4, 4)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
LOOSER = {"hard-sigmoid": 1e-7}  # PyTorch's slope is 1/6 in float32, whatever the dtype

# name: our layer, the twin, the shape of x
LAYERS = {
    "linear": (lambda: nn.Linear(4, 6), lambda: torch.nn.Linear(4, 6), (5, 4)),
    "linear-no-bias": (
        lambda: nn.Linear(4, 6, bias=False),
        lambda: torch.nn.Linear(4, 6, bias=False),
        (5, 4),
    ),
    "conv1d": (
        lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1),
        lambda: torch.nn.Conv1d(4, 6, 3, stride=2, padding=1),
        SEQUENCE,
    ),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2)), lambda: torch.nn.Conv2d(4, 6, (3, 2)), IMAGE),
    "conv2d-strided": (
        lambda: nn.Conv2d(4, 6, 3, stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=False),
        lambda: torch.nn.Conv2d(4, 6, 3, stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=False),
        IMAGE,
    ),
    "conv2d-same": (
        lambda: nn.Conv2d(4, 6, 3, padding="same", dilation=2),
        lambda: torch.nn.Conv2d(4, 6, 3, padding="same", dilation=2),
        IMAGE,
    ),
    "conv2d-groups": (
        lambda: nn.Conv2d(4, 6, 3, groups=2),
        lambda: torch.nn.Conv2d(4, 6, 3, groups=2),
        IMAGE,
    ),
    "conv2d-depthwise": (
        lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4),
        lambda: torch.nn.Conv2d(4, 8, 3, padding=1, groups=4),
        IMAGE,
    ),
    "conv3d": (
        lambda: nn.Conv3d(4, 3, (2, 3, 1), padding=1),
        lambda: torch.nn.Conv3d(4, 3, (2, 3, 1), padding=1),
        VOLUME,
    ),
    "conv-transpose1d": (
        lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1),
        lambda: torch.nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1),
        SEQUENCE,
    ),
    "conv-transpose2d": (
        lambda: nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2),
        lambda: torch.nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2),
        IMAGE,
    ),
    "conv-transpose2d-dilated": (
        lambda: nn.ConvTranspose2d(4, 6, 3, dilation=2, bias=False),
        lambda: torch.nn.ConvTranspose2d(4, 6, 3, dilation=2, bias=False),
        IMAGE,
    ),
    "conv-transpose3d": (
        lambda: nn.ConvTranspose3d(4, 2, 2, stride=2),
        lambda: torch.nn.ConvTranspose3d(4, 2, 2, stride=2),
        VOLUME,
    ),
    "max-pool1d": (lambda: nn.MaxPool1d(3), lambda: torch.nn.MaxPool1d(3), SEQUENCE),
    "max-pool2d": (
        lambda: nn.MaxPool2d(3, 2, padding=1),
        lambda: torch.nn.MaxPool2d(3, 2, padding=1),
        IMAGE,
    ),
    "max-pool2d-dilated": (
        lambda: nn.MaxPool2d(2, 1, dilation=2),
        lambda: torch.nn.MaxPool2d(2, 1, dilation=2),
        IMAGE,
    ),
    "max-pool3d": (lambda: nn.MaxPool3d(2), lambda: torch.nn.MaxPool3d(2), VOLUME),
    "avg-pool1d": (lambda: nn.AvgPool1d(3, 2, 1), lambda: torch.nn.AvgPool1d(3, 2, 1), SEQUENCE),
    "avg-pool2d": (lambda: nn.AvgPool2d(2), lambda: torch.nn.AvgPool2d(2), IMAGE),
    "avg-pool2d-without-padding": (
        lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        lambda: torch.nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        IMAGE,
    ),
    "avg-pool3d": (lambda: nn.AvgPool3d((1, 2, 2)), lambda: torch.nn.AvgPool3d((1, 2, 2)), VOLUME),
    "adaptive-avg-pool2d": (
        lambda: nn.AdaptiveAvgPool2d((3, 5)),
        lambda: torch.nn.AdaptiveAvgPool2d((3, 5)),
        IMAGE,
    ),
    "adaptive-max-pool2d": (
        lambda: nn.AdaptiveMaxPool2d(3),
        lambda: torch.nn.AdaptiveMaxPool2d(3),
        IMAGE,
    ),
    "global-avg-pool2d": (
        nn.GlobalAvgPool2d,
        lambda: torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()),
        IMAGE,
    ),
    "global-max-pool2d": (
        nn.GlobalMaxPool2d,
        lambda: torch.nn.Sequential(torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten()),
        IMAGE,
    ),
    "batch-norm1d": (lambda: nn.BatchNorm1d(4), lambda: torch.nn.BatchNorm1d(4), (6, 4)),
    "batch-norm1d-sequence": (
        lambda: nn.BatchNorm1d(4, momentum=0.3),
        lambda: torch.nn.BatchNorm1d(4, momentum=0.3),
        SEQUENCE,
    ),
    "batch-norm2d": (lambda: nn.BatchNorm2d(4, eps=1e-3), lambda: torch.nn.BatchNorm2d(4, eps=1e-3), IMAGE),
    "batch-norm2d-plain": (
        lambda: nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        lambda: torch.nn.BatchNorm2d(4, affine=False, track_running_stats=False),
        IMAGE,
    ),
    "batch-norm3d": (lambda: nn.BatchNorm3d(4), lambda: torch.nn.BatchNorm3d(4), VOLUME),
    "layer-norm": (lambda: nn.LayerNorm(4), lambda: torch.nn.LayerNorm(4), (5, 4)),
    "group-norm": (lambda: nn.GroupNorm(2, 4), lambda: torch.nn.GroupNorm(2, 4), IMAGE),
    "instance-norm2d": (
        lambda: nn.InstanceNorm2d(4, affine=True),
        lambda: torch.nn.InstanceNorm2d(4, affine=True),
        IMAGE,
    ),
    "local-response-norm": (
        lambda: nn.LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0),
        lambda: torch.nn.LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0),
        IMAGE,
    ),
    "upsample-nearest": (
        lambda: nn.Upsample(scale_factor=2),
        lambda: torch.nn.Upsample(scale_factor=2),
        IMAGE,
    ),
    "upsample-bilinear": (
        lambda: nn.Upsample(size=(10, 5), mode="bilinear"),
        lambda: torch.nn.Upsample(size=(10, 5), mode="bilinear"),
        IMAGE,
    ),
    "upsample-aligned": (
        lambda: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        lambda: torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        IMAGE,
    ),
    "pixel-shuffle": (lambda: nn.PixelShuffle(2), lambda: torch.nn.PixelShuffle(2), IMAGE),
    "pixel-unshuffle": (lambda: nn.PixelUnshuffle(2), lambda: torch.nn.PixelUnshuffle(2), (2, 4, 6, 3)),
    "zero-pad2d": (
        lambda: nn.ZeroPad2d(((1, 2), (3, 0))),
        lambda: torch.nn.ZeroPad2d((3, 0, 1, 2)),
        IMAGE,
    ),
    "reflection-pad2d": (
        lambda: nn.ReflectionPad2d((1, 2)),
        lambda: torch.nn.ReflectionPad2d((2, 2, 1, 1)),
        IMAGE,
    ),
    "replication-pad2d": (lambda: nn.ReplicationPad2d(2), lambda: torch.nn.ReplicationPad2d(2), IMAGE),
    "identity": (nn.Identity, torch.nn.Identity, IMAGE),
    "relu": (nn.ReLU, torch.nn.ReLU, IMAGE),
    "leaky-relu": (lambda: nn.LeakyReLU(0.2), lambda: torch.nn.LeakyReLU(0.2), IMAGE),
    "prelu": (nn.PReLU, torch.nn.PReLU, IMAGE),
    "prelu-channels": (lambda: nn.PReLU(4, init=0.1), lambda: torch.nn.PReLU(4, init=0.1), IMAGE),
    "relu6": (nn.ReLU6, torch.nn.ReLU6, IMAGE),
    "elu": (lambda: nn.ELU(0.7), lambda: torch.nn.ELU(0.7), IMAGE),
    "selu": (nn.SELU, torch.nn.SELU, IMAGE),
    "gelu": (nn.GELU, torch.nn.GELU, IMAGE),
    "gelu-tanh": (lambda: nn.GELU("tanh"), lambda: torch.nn.GELU("tanh"), IMAGE),
    "silu": (nn.SiLU, torch.nn.SiLU, IMAGE),
    "mish": (nn.Mish, torch.nn.Mish, IMAGE),
    "softplus": (lambda: nn.Softplus(2.0, 10.0), lambda: torch.nn.Softplus(2.0, 10.0), IMAGE),
    "softsign": (nn.Softsign, torch.nn.Softsign, IMAGE),
    "hard-sigmoid": (nn.Hardsigmoid, torch.nn.Hardsigmoid, IMAGE),
    "hard-swish": (nn.Hardswish, torch.nn.Hardswish, IMAGE),
    "hard-tanh": (lambda: nn.Hardtanh(-0.5, 2.0), lambda: torch.nn.Hardtanh(-0.5, 2.0), IMAGE),
    "sigmoid": (nn.Sigmoid, torch.nn.Sigmoid, IMAGE),
    "log-sigmoid": (nn.LogSigmoid, torch.nn.LogSigmoid, IMAGE),
    "tanh": (nn.Tanh, torch.nn.Tanh, IMAGE),
    "softmax": (nn.Softmax, lambda: torch.nn.Softmax(dim=1), IMAGE),
    "log-softmax": (nn.LogSoftmax, lambda: torch.nn.LogSoftmax(dim=1), IMAGE),
    "dropout-in-inference": (
        lambda: nn.Dropout(0.5).eval(),
        lambda: torch.nn.Dropout(0.5).eval(),
        IMAGE,
    ),
    "reshape": (lambda: nn.Reshape(2, -1), lambda: torch.nn.Unflatten(1, (2, 2)), (5, 4)),
    "unflatten": (
        lambda: nn.Unflatten(-1, (2, 2)),
        lambda: torch.nn.Unflatten(-1, (2, 2)),
        (5, 4),
    ),
    "flatten": (nn.Flatten, torch.nn.Flatten, (5, 4)),
}


def shaken(layer, rng):
    """The layer with weights that are all different from what they start with."""
    for parameter in layer.parameters():
        parameter.data[...] += rng.normal(0, 0.3, parameter.shape)
    return layer


def assert_close(found, expected, tolerance, what):
    scale = max(1.0, float(abs(expected).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, dtype, rng):
    make, make_twin, shape = LAYERS[name]
    layer = shaken(make().to(dtype), rng)
    twin = make_twin().to(getattr(torch, dtype))
    copy_weights(layer, twin, torch)
    # Reshaping makes channels of what were none: nothing is moved then.
    to_twin, from_twin = (
        (np.asarray, np.asarray)
        if name in ("reshape", "unflatten", "flatten")
        else (channels_first, channels_last)
    )
    x_array = rng.normal(0, 2, shape).astype(dtype)
    x = tn.Tensor(x_array, requires_grad=True)
    x_twin = torch.tensor(to_twin(x_array).copy(), requires_grad=True)
    y, y_twin = layer(x), twin(x_twin)
    tolerance = max(TOLERANCE[dtype], LOOSER.get(name, 0))
    assert y.dtype == dtype
    assert_close(y.numpy(), from_twin(y_twin.detach().numpy()), tolerance, "output")
    gradient = rng.normal(0, 1, y.shape).astype(dtype)
    y.backward(tn.Tensor(gradient))
    y_twin.backward(torch.tensor(to_twin(gradient).copy()))
    assert_close(x.grad.numpy(), from_twin(x_twin.grad.numpy()), tolerance, "gradient of the input")
    twins = dict(twin.named_parameters())
    assert twins.keys() == dict(layer.named_parameters()).keys()
    for path, parameter in layer.named_parameters():
        assert_close(parameter.grad.numpy(), own_layout(twins[path].grad, parameter), tolerance, path)
    buffers = dict(twin.named_buffers())
    for path, buffer in layer.named_buffers():
        assert_close(buffer.numpy(), buffers[path].numpy(), tolerance, path)


def own_layout(gradient, parameter):
    """The gradient of a PyTorch weight in the layout of the parameter."""
    gradient = gradient.numpy()
    if gradient.ndim > 1:
        gradient = np.moveaxis(gradient, (0, 1), (-1, -2))
    assert torch_weight(parameter.numpy()).shape == torch_weight(gradient).shape
    return gradient


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_running_statistics_over_several_batches_and_inference(dtype, rng):
    layer = shaken(nn.BatchNorm2d(4).to(dtype), rng)
    twin = torch.nn.BatchNorm2d(4).to(getattr(torch, dtype))
    copy_weights(layer, twin, torch)
    for _ in range(5):
        x = rng.normal(1, 3, IMAGE).astype(dtype)
        layer(x)
        twin(torch.tensor(channels_first(x).copy()))
    tolerance = TOLERANCE[dtype]
    assert_close(layer.running_mean.numpy(), twin.running_mean.numpy(), tolerance, "running mean")
    assert_close(layer.running_var.numpy(), twin.running_var.numpy(), tolerance, "running variance")
    layer.eval()
    twin.eval()
    expected = channels_last(twin(torch.tensor(channels_first(x).copy())).detach().numpy())
    assert_close(layer(x).numpy(), expected, tolerance, "inference")
    assert_close(layer.running_mean.numpy(), twin.running_mean.numpy(), tolerance, "unchanged")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_layer_norm_over_several_axes(dtype, rng):
    layer = shaken(nn.LayerNorm((7, 4)).to(dtype), rng)
    twin = torch.nn.LayerNorm((7, 4)).to(getattr(torch, dtype))
    copy_weights(layer, twin, torch, convert=np.asarray)
    x = rng.normal(0, 2, (3, 7, 4)).astype(dtype)
    assert_close(layer(x).numpy(), twin(torch.tensor(x)).detach().numpy(), TOLERANCE[dtype], "output")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_embedding(dtype, rng):
    layer = nn.Embedding(6, 3, padding_idx=-5).to(dtype)
    twin = torch.nn.Embedding(6, 3, padding_idx=-5).to(getattr(torch, dtype))
    copy_weights(layer, twin, torch, convert=np.asarray)
    indices = np.array([[0, 1, 5], [1, 3, 5]])
    y, y_twin = layer(indices), twin(torch.tensor(indices))
    np.testing.assert_array_equal(y.numpy(), y_twin.detach().numpy())
    gradient = rng.normal(0, 1, y.shape).astype(dtype)
    y.backward(tn.Tensor(gradient))
    y_twin.backward(torch.tensor(gradient))
    assert_close(layer.weight.grad.numpy(), twin.weight.grad.numpy(), TOLERANCE[dtype], "weight")
    assert not layer.weight.grad.numpy()[1].any()


POSITIVE = np.array([0.5, 2.0, 1.0, 0.1])

# name: our loss, the twin, what makes the predictions, what makes the target
LOSSES = {
    "cross-entropy": (nn.CrossEntropyLoss, torch.nn.CrossEntropyLoss, "scores", "labels"),
    "cross-entropy-options": (
        lambda: nn.CrossEntropyLoss(POSITIVE, ignore_index=2, label_smoothing=0.1),
        lambda: torch.nn.CrossEntropyLoss(torch.tensor(POSITIVE), ignore_index=2, label_smoothing=0.1),
        "scores",
        "labels",
    ),
    "cross-entropy-sum": (
        lambda: nn.CrossEntropyLoss(reduction="sum"),
        lambda: torch.nn.CrossEntropyLoss(reduction="sum"),
        "scores",
        "labels",
    ),
    "nll": (
        lambda: nn.NLLLoss(POSITIVE),
        lambda: torch.nn.NLLLoss(torch.tensor(POSITIVE)),
        "logarithms",
        "labels",
    ),
    "bce": (nn.BCELoss, torch.nn.BCELoss, "probabilities", "probabilities"),
    "bce-weight": (
        lambda: nn.BCELoss(POSITIVE, reduction="none"),
        lambda: torch.nn.BCELoss(torch.tensor(POSITIVE), reduction="none"),
        "probabilities",
        "probabilities",
    ),
    "bce-logits": (nn.BCEWithLogitsLoss, torch.nn.BCEWithLogitsLoss, "scores", "probabilities"),
    "bce-logits-weights": (
        lambda: nn.BCEWithLogitsLoss(weight=POSITIVE, pos_weight=POSITIVE + 1),
        lambda: torch.nn.BCEWithLogitsLoss(
            weight=torch.tensor(POSITIVE), pos_weight=torch.tensor(POSITIVE + 1)
        ),
        "scores",
        "probabilities",
    ),
    "mse": (nn.MSELoss, torch.nn.MSELoss, "scores", "scores"),
    "l1": (lambda: nn.L1Loss("sum"), lambda: torch.nn.L1Loss(reduction="sum"), "scores", "scores"),
    "huber": (lambda: nn.HuberLoss(delta=0.7), lambda: torch.nn.HuberLoss(delta=0.7), "scores", "scores"),
    "smooth-l1": (
        lambda: nn.SmoothL1Loss(beta=0.7),
        lambda: torch.nn.SmoothL1Loss(beta=0.7),
        "scores",
        "scores",
    ),
    "kl-div": (
        lambda: nn.KLDivLoss("batchmean"),
        lambda: torch.nn.KLDivLoss(reduction="batchmean"),
        "logarithms",
        "probabilities",
    ),
    "kl-div-logarithms": (
        lambda: nn.KLDivLoss("sum", log_target=True),
        lambda: torch.nn.KLDivLoss(reduction="sum", log_target=True),
        "logarithms",
        "logarithms",
    ),
    "multi-margin": (
        lambda: nn.MultiMarginLoss(2, 0.8, POSITIVE),
        lambda: torch.nn.MultiMarginLoss(2, 0.8, torch.tensor(POSITIVE)),
        "scores",
        "labels",
    ),
}


def sample(kind, rng):
    scores = rng.normal(0, 2, (7, 4))
    if kind == "labels":
        return rng.integers(0, 4, 7)
    if kind == "scores":
        return scores
    probabilities = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return probabilities if kind == "probabilities" else np.log(probabilities)


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, rng):
    make, make_twin, predictions, target = LOSSES[name]
    x, target = sample(predictions, rng), sample(target, rng)
    mine, other = tn.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    loss, loss_twin = make().to("float64")(mine, target), make_twin()(other, torch.tensor(target))
    np.testing.assert_allclose(loss.numpy(), loss_twin.detach().numpy(), rtol=1e-10)
    loss.sum().backward()
    loss_twin.sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_hinge_loss(rng):
    scores, target = rng.normal(0, 2, (7, 4)), rng.choice([-1, 1], (7, 4))
    loss = nn.HingeLoss(margin=0.5)(scores, target)
    assert loss.item() == pytest.approx(np.maximum(0, 0.5 - scores * target).mean())
