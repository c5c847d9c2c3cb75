import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import activations


def network():
    tn.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(48, 2)
    )


def test_outputs_are_those_of_the_layers_one_by_one(rng):
    model = network().eval()
    x = rng.standard_normal((7, 6, 6, 1)).astype(np.float32)
    expected, here = {}, tn.tensor(x)
    for name, layer in model.named_children():
        here = expected[name] = layer(here)
    found = activations(model, x, expected, batch_size=3)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name].numpy(), rtol=1e-5, atol=1e-6)


def test_nested_names_and_the_model_itself(rng):
    with nn.init.skipped():
        model = models.create("resnet20")
    for parameter in model.parameters():
        parameter.data[...] = 0.01
    x = rng.random((2, 32, 32, 3)).astype(np.float32)
    found = activations(model, x, ["stages.1.0.body.4", "stages.2", ""])
    assert [array.shape for array in found.values()] == [(2, 16, 16, 32), (2, 8, 8, 64), (2, 10)]
    np.testing.assert_allclose(found[""], model.eval()(x).numpy(), rtol=1e-4)


def test_pixels_and_doubles_are_converted(rng):
    model = network()
    pixels = rng.integers(0, 256, (2, 6, 6, 1)).astype(np.uint8)
    first = activations(model, pixels, ["2"])["2"]
    np.testing.assert_allclose(activations(model, pixels / 255.0, ["2"])["2"], first, rtol=1e-5, atol=1e-6)
    assert first.dtype == np.float32


def test_the_model_is_left_as_it_was(rng):
    model = network().train()
    mean = model[1].running_mean.numpy().copy()
    x = rng.random((2, 6, 6, 1))
    once = activations(model, x, ["3"])["3"]
    np.testing.assert_array_equal(activations(model, x, ["3"])["3"], once)  # dropout is off
    assert model.training and model[3].training
    np.testing.assert_array_equal(model[1].running_mean.numpy(), mean)
    assert not model[3]._forward_hooks


class Odd(nn.Module):
    def __init__(self):
        self.twice = nn.ReLU()
        self.never = nn.ReLU()
        self.pair = nn.Lambda(lambda x: (x, x))

    def forward(self, x):
        return self.twice(self.twice(self.pair(x)[0]))


def test_layers_without_one_output_are_refused():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ArgumentError, match="layer 'twice' was called 2 times, not once"):
        activations(Odd(), x, ["twice"])
    with pytest.raises(ArgumentError, match="layer 'never' was called 0 times"):
        activations(Odd(), x, ["never"])
    with pytest.raises(ArgumentError, match="layer 'pair' gives a tuple; name layers inside it"):
        activations(Odd(), x, ["pair"])
    with pytest.raises(ArgumentError, match="no layer of Odd 'twic'; did you mean 'twice'"):
        activations(Odd(), x, ["twic"])
    with pytest.raises(ArgumentError, match="names should be a list of names, not the text 'twice'"):
        activations(Odd(), x, "twice")
