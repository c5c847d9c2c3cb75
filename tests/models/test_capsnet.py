"""The capsule network: the documented sizes, its loss, its decoder, and that it learns."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import models, nn, optim
from tinynet.data import load_digits
from tinynet.errors import ArgumentError
from tinynet.inspection import capsule_sweep, routing_coefficients, summary


def small():
    return models.CapsNet(num_classes=10, input_size=8, kernel_size=3, width=0.125)


def test_the_documented_network_layer_by_layer():
    model = models.CapsNet()
    rows = [(row.type, row.output_shape[1:], row.parameters) for row in summary(model, (28, 28, 1))]
    assert rows == [
        ("Conv2d", (20, 20, 256), 20_992),
        ("Conv2d", (6, 6, 256), 5_308_672),
        ("RoutedCapsules", (10, 16), 1_474_560),
    ]
    decoder = [(row.type, row.parameters) for row in summary(model.decoder, (160,)) if row.parameters]
    assert decoder == [("Linear", 82_432), ("Linear", 525_312), ("Linear", 803_600)]
    assert model.num_parameters() == 8_215_568
    assert models.CapsNet(width=0.25).num_parameters() == 2_117_072


def test_in_training_the_capsules_come_along(rng):
    model, x = small(), rng.random((3, 8, 8, 1), np.float32)
    output = model(x)
    assert isinstance(output, models.CapsNetOutput)
    assert (output.lengths.shape, output.capsules.shape) == ((3, 10), (3, 10, 16))
    np.testing.assert_array_equal(output.images.numpy(), x)
    lengths = model.eval()(x)
    np.testing.assert_array_equal(lengths.numpy(), output.lengths.numpy())
    assert ((lengths.numpy() > 0) & (lengths.numpy() < 1)).all()


def test_the_loss_is_the_margin_loss_and_a_little_of_the_squared_error(rng):
    model, x, labels = small(), rng.random((3, 8, 8, 1), np.float32), [1, 7, 7]
    output = model(x)
    margin = F.margin_loss(output.lengths, labels).item()
    drawn = model.reconstruct(output.capsules, labels).numpy()
    squared = np.square(drawn - x).sum(axis=(1, 2, 3)).mean()
    assert model.loss(output, labels).item() == pytest.approx(margin + 0.0005 * squared, rel=1e-5)
    assert model.loss(output.lengths, labels).item() == margin


def test_the_decoder_sees_the_capsule_of_the_label_or_the_longest(rng):
    model, x = small(), rng.random((4, 8, 8, 1), np.float32)
    capsules = model.capsules(x).numpy()
    longest = np.square(capsules).sum(axis=-1).argmax(axis=-1)
    drawn = model.reconstruct(capsules)
    assert drawn.shape == x.shape
    np.testing.assert_array_equal(drawn.numpy(), model.reconstruct(capsules, longest).numpy())
    others = capsules.copy()
    others[np.arange(4), (longest + 1) % 10] = 7
    np.testing.assert_array_equal(model.reconstruct(others, longest).numpy(), drawn.numpy())


def test_it_learns_digits():
    tn.manual_seed(0)
    digits = load_digits()
    x, labels = digits.train.images[:600], digits.train.labels[:600]
    model = small()
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    before = None
    for step in range(60):
        batch = slice(50 * step % 600, 50 * step % 600 + 50)
        loss = model.loss(model(x[batch]), labels[batch])
        before = before or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    accuracy = (model(x).numpy().argmax(axis=1) == labels).mean()
    assert loss.item() < 0.5 * before
    assert accuracy > 0.8


def test_coefficients_of_every_iteration(rng):
    model, x = small(), rng.random((3, 8, 8, 1), np.float32)
    coefficients = routing_coefficients(model, x)
    assert coefficients.shape == (3, 3, 16, 10)
    np.testing.assert_allclose(coefficients.sum(axis=-1), 1, rtol=0, atol=1e-6)
    np.testing.assert_allclose(coefficients[0], 0.1, rtol=0, atol=1e-7)
    assert model.training
    with pytest.raises(ArgumentError, match="routing_coefficients: Linear has no RoutedCapsules"):
        routing_coefficients(nn.Linear(3, 2), np.ones((1, 3), np.float32))


def test_sweeping_a_capsule(rng):
    model, image = small(), rng.random((8, 8, 1), np.float32)
    drawn = capsule_sweep(model, image, steps=(-0.2, 0.0, 0.2))
    assert drawn.shape == (16, 3, 8, 8, 1)
    expected = model.reconstruct(model.capsules(image[np.newaxis])).numpy()[0]
    for row in drawn:
        np.testing.assert_allclose(row[1], expected, rtol=0, atol=1e-6)
        assert abs(row[2] - row[0]).max() > 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"input_size": 16},
            "input_size should be at least 17 for two convolutions with kernel_size 9, not 16",
        ),
        ({"width": 0}, "width should be above 0, not 0"),
        ({"kernel_size": 0}, "kernel_size must be an integer of at least 1, not 0"),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError, match=f"CapsNet: {text}"):
        models.CapsNet(**arguments)
