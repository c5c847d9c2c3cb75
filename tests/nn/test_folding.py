"""Batch norm as part of the convolution before it, in inference."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ShapeError

IMAGE = (3, 6, 5, 2)
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def network(dtype, rng, conv_bias=True, affine=True):
    """Convolution, batch norm, ReLU in inference, with statistics as after some training."""
    convolution = nn.Conv2d(2, 4, 3, padding=1, bias=conv_bias)
    model = nn.Sequential(convolution, nn.BatchNorm2d(4, affine=affine), nn.ReLU())
    return trained(model, rng).to(dtype)


def trained(model, rng):
    for name, tensor in model.state_dict().items():
        if "running_var" in name:
            tensor.data[...] = rng.uniform(0.3, 3, tensor.shape)
        else:
            tensor.data[...] += rng.normal(0, 0.3, tensor.shape)
    return model.eval()


def inference(model, x, fused=True):
    with tn.no_grad(), nn.fusion(fused) as groups:
        y = model(tn.Tensor(x)).numpy()
    return y, groups


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("conv_bias", [True, False])
def test_inference_folds_and_gives_the_same(dtype, affine, conv_bias, rng):
    model = network(dtype, rng, conv_bias, affine)
    x = rng.normal(size=IMAGE).astype(dtype)
    found, groups = inference(model, x)
    assert groups == [tuple(model)]
    expected, _ = inference(model, x, fused=False)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * abs(expected).max())


def test_what_was_changed_since_counts(rng):
    """Nothing is kept from call to call, not even where tinynet could not notice the change."""
    model = network("float64", rng)
    x = rng.normal(size=IMAGE)
    for tensor in (model[0].weight, model[0].bias, model[1].weight, model[1].bias, model[1].running_mean):
        inference(model, x)
        tensor.data[...] += 0.5
        np.testing.assert_allclose(inference(model, x)[0], inference(model, x, False)[0], atol=1e-12)


def test_training_and_recording_do_not_fold(rng):
    model = network("float64", rng)
    x = rng.normal(size=IMAGE)
    with nn.fusion() as groups:
        model(tn.Tensor(x))
    assert groups == [(model[1], model[2])]
    model.train()
    assert inference(model, x)[1] == [(model[1], model[2])]


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        lambda: nn.BatchNorm2d(4).to("float32"),
        lambda: nn.BatchNorm2d(3),
        lambda: nn.BatchNorm1d(4),
    ],
    ids=["batch statistics", "dtype", "channels", "axes"],
)
def test_what_cannot_be_folded_is_called_by_itself(make, rng):
    model = nn.Sequential(nn.Conv2d(2, 4, 3).to("float64"), make()).eval()
    if model[1].track_running_stats:
        with pytest.raises((ShapeError, tn.errors.DTypeError), match=r"\[1\]$"):
            inference(model, rng.normal(size=IMAGE))
    else:
        model.to("float64")
        assert inference(model, rng.normal(size=IMAGE))[1] == []


def test_small_outputs_of_many_weights_are_not_worth_it(rng):
    model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16)).eval()
    small, large = (rng.random(shape, dtype=np.float32) for shape in ((1, 5, 5, 8), (4, 9, 9, 8)))
    assert inference(model, small)[1] == []
    assert inference(model, large)[1] == [tuple(model)]


# The copy for inference


@pytest.mark.parametrize("make", [models.ResNet20, lambda: models.ResNet18(10, stem="cifar")])
def test_a_folded_copy_gives_the_same(make, rng):
    model = trained(make(), rng).train()
    state = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    copy = nn.fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert model.training
    assert not copy.training
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), state[name])
    x = rng.random((2, 32, 32, 3), dtype=np.float32)
    expected, _ = inference(model.eval(), x, fused=False)
    np.testing.assert_allclose(inference(copy, x)[0], expected, rtol=0, atol=1e-5 * abs(expected).max())


def test_a_folded_copy_keeps_names_and_frozen_weights(rng):
    model = network("float32", rng, conv_bias=False)
    model.freeze()
    copy = nn.fold_batch_norm(model)
    assert [type(module).__name__ for module in copy] == ["Conv2d", "Identity", "ReLU"]
    assert [name for name, _ in copy.named_parameters()] == ["0.weight", "0.bias"]
    assert not any(parameter.requires_grad for parameter in copy.parameters())


def hooked(sequence):
    sequence[0].register_forward_hook(lambda module, inputs, output: None)
    return sequence


def shared_convolution():
    convolution = nn.Conv2d(2, 2, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(2), convolution)


def shared_weight():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3))
    model[2].weight = model[0].weight
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: hooked(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))),
        shared_convolution,
        shared_weight,
        lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm2d(3)),
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.BatchNorm2d(3)),
    ],
    ids=["hook", "shared convolution", "shared weight", "dense layer", "ReLU between"],
)
def test_copies_keep_batch_norms_that_cannot_be_folded(make, rng):
    model = trained(make(), rng)
    copy = nn.fold_batch_norm(model)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in copy.modules()) == 1
    x = rng.random(IMAGE, dtype=np.float32)
    np.testing.assert_allclose(
        inference(copy, x)[0], inference(model, x, fused=False)[0], rtol=1e-5, atol=1e-5
    )
