import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet import functional as F
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import ReceptiveField, activations, receptive_field, receptive_fields

SIZE = 41


def made_monotone(model):
    """Positive weights, so that a brighter pixel makes everything that sees it larger."""
    for parameter in model.parameters():
        parameter.data[...] = 0.1 + np.abs(parameter.data)
    return model.to("float64")


def seen_by(model, layer):
    """What the unit in the middle of a layer's output sees, measured: a range for each axis."""
    dark = np.ones((1, SIZE, SIZE, 1))
    bright = np.repeat(dark, 2 * SIZE, axis=0)
    for index in range(SIZE):
        bright[index, index] = 1e9
        bright[SIZE + index, :, index] = 1e9
    before = activations(model, dark, [layer])[layer]
    after = activations(model, bright, [layer])[layer]
    position = tuple(size // 2 for size in before.shape[1:3])
    changed = np.abs(after[(slice(None), *position)] - before[(0, *position)]).max(axis=-1) > 1e-6
    rows, columns = np.flatnonzero(changed[:SIZE]), np.flatnonzero(changed[SIZE:])
    return position, ((rows[0], rows[-1] + 1), (columns[0], columns[-1] + 1))


def assert_field_is_what_is_seen(model, layer):
    field = receptive_field(model, (SIZE, SIZE, 1), layer)
    position, seen = seen_by(made_monotone(model), layer)
    for (start, stop), (first, last) in zip(field.window(position), seen, strict=True):
        if start >= 0 and stop <= SIZE:
            assert (start, stop) == (first, last)
        else:
            assert max(start, 0) <= first and last <= min(stop, SIZE)


@st.composite
def windows(draw):
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    kind = draw(st.sampled_from(["conv", "max", "average"]))
    if kind == "conv":
        padding = draw(st.sampled_from([0, 1, "same", ((2, 0), (0, 1))]))
        dilation = draw(st.integers(1, 2))
        return nn.Conv2d(2, 2, kernel, stride, padding, dilation)
    padding = draw(st.sampled_from(["same", "valid"]))
    return (nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, stride, padding)


@given(st.lists(windows(), min_size=1, max_size=3))
@settings(deadline=None, max_examples=15)
def test_fields_of_chains_are_what_units_see(layers):
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), *layers)
    assert_field_is_what_is_seen(model, str(len(layers) + 2))


class Branches(nn.Module):
    """Branches that meet: a sum, a concatenation, and slices as in a shortcut without parameters."""

    def __init__(self):
        self.left = nn.Sequential(nn.Conv2d(1, 2, (5, 1), padding=((0, 4), (0, 0))), nn.ReLU())
        self.right = nn.Conv2d(1, 2, (1, 3), padding=((0, 0), (2, 0)))
        self.down = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.end = nn.Identity()

    def forward(self, x):
        x = F.concatenate([self.left(x), self.right(x)], axis=-1)
        shortcut = F.pad(x, ((0, 0), (1, 0), (0, 1), (0, 0)))[:, 1::2, ::2, :]
        shortcut = shortcut[:, : self.down(x).shape[1], : self.down(x).shape[2]]
        return self.end(F.add_relu(self.down(x), shortcut))


def test_fields_of_branches_hold_those_of_all():
    assert_field_is_what_is_seen(Branches(), "end")
    fields = receptive_fields(Branches(), (SIZE, SIZE, 1))
    assert fields["left"] == ReceptiveField((5, 1), (1, 1), (0, 0))
    assert fields["right"] == ReceptiveField((1, 3), (1, 1), (0, -2))
    assert fields["down"] == ReceptiveField((7, 5), (2, 2), (-1, -3))


@pytest.mark.parametrize("layer", [nn.LocalResponseNorm(3), nn.LayerNorm(4), nn.Softmax(), nn.Linear(4, 2)])
def test_layers_over_channels_see_one_pixel(layer):
    fields = receptive_fields(nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), layer), (9, 9, 1))
    assert fields["1"] == fields["0"] == ReceptiveField((3, 3), (2, 2), (0, 0))


def test_layers_that_see_everything():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.GlobalAvgPool2d(), nn.Linear(2, 4), nn.Unflatten(1, (2, 2, 1)), nn.ReLU()
    )
    fields = receptive_fields(model, (8, 6, 1))
    assert fields["0"] == ReceptiveField((3, 3), (1, 1), (0, 0))
    for name in "1234":
        assert fields[name] == ReceptiveField((8, 6), (0, 0), (0, 0))
    assert fields["4"].window((1, 1)) == ((0, 8), (0, 6))
    normalised = receptive_fields(nn.Sequential(nn.GroupNorm(1, 2)), (8, 6, 2))
    assert normalised["0"].size == (8, 6)


def test_sequences_have_one_axis():
    model = nn.Sequential(nn.Conv1d(2, 3, 5, stride=2), nn.MaxPool1d(2))
    assert receptive_field(model, (40, 2), "1") == ReceptiveField((7,), (4,), (0,))
    assert receptive_field(model, (40, 2), "1").window((3,)) == ((12, 19),)


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("vgg16", "features", 212),
        ("resnet18", "stages", 435),
        ("resnet34", "stages", 899),
    ],
)
def test_fields_of_known_networks(name, layer, size):
    """VGG-16 as in A. Araujo et al., 2019; ResNet-18 by hand: 11 + 4 · 8 + 7 · 8 + 7 · 16 + 7 · 32."""
    with nn.init.skipped():
        model = models.create(name)
    part = model.features if layer == "features" else nn.Sequential(model.stem, model.stages)
    field = receptive_field(part, (64, 64, 3), "")
    assert field.size == (size, size)
    assert field.stride == (32, 32)


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [("alexnet", "features", 195), ("inception-v3", "mixed7c", 1311), ("mobilenet-v1", "blocks", 315)],
)
def test_fields_are_those_that_were_published(name, layer, size):
    """A. Araujo et al., 2019, table 1."""
    with nn.init.skipped():
        model = models.create(name)
    assert receptive_field(model, model.input_shape, layer).size == (size, size)


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    mean = model[1].running_mean.numpy().copy()
    receptive_fields(model, (8, 8, 1))
    assert model.training and model[1].training
    np.testing.assert_array_equal(model[1].running_mean.numpy(), mean)
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_has_no_field_is_refused():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 3), nn.ReLU())
    assert list(receptive_fields(model, (8, 8, 1))) == ["0"]
    with pytest.raises(ArgumentError, match="layer '2' comes behind convolution_input_gradient"):
        receptive_field(model, (8, 8, 1), "2")
    with pytest.raises(ArgumentError, match="no layer of Sequential '3'"):
        receptive_field(model, (8, 8, 1), "3")
    with pytest.raises(ArgumentError, match=r"needs one input \(H, W, C\) or \(T, C\)"):
        receptive_fields(nn.Sequential(nn.Linear(3, 3)), (3,))
    model.unused = nn.ReLU()
    model.forward = model[0].forward
    with pytest.raises(ArgumentError, match="'unused' was not called"):
        receptive_field(model, (8, 8, 1), "unused")
