"""Pictures of capsules, and the numbers in them."""

import numpy as np
import pytest

from tinynet import models
from tinynet.errors import ShapeError
from tinynet.inspection import (
    capsule_pictures,
    capsule_sweep_picture,
    reconstructions,
    reconstructions_picture,
    routing_coefficients,
    routing_picture,
)


def small(channels=1):
    return models.CapsNet(num_classes=3, in_channels=channels, input_size=8, kernel_size=3, width=0.125)


@pytest.fixture
def images(rng):
    return rng.random((9, 8, 8, 1), np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_drawn(channels, tmp_path, rng):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    model, images = small(channels), rng.random((5, 8, 8, channels), np.float32)
    labels = model.eval()(images).numpy().argmax(axis=1)
    wrong = (labels + np.array([0, 0, 1, 1, 2])) % 3
    for name, draw in {
        "sweep": lambda path: capsule_sweep_picture(path, model, images[0]),
        "routing": lambda path: routing_picture(path, model, images[0]),
        "all-right": lambda path: reconstructions_picture(path, model, images, labels, ["a", "b", "c"]),
        "some-wrong": lambda path: reconstructions_picture(path, model, images, wrong, columns=2),
        "all-wrong": lambda path: reconstructions_picture(path, model, images, (labels + 1) % 3),
    }.items():
        path = tmp_path / f"{name}.png"
        assert draw(path) == path
        assert path.stat().st_size > 1000


def test_reconstructions_are_those_of_the_longest_capsules_or_of_the_labels(images):
    model = small()
    labels = np.arange(9) % 3
    capsules = model.capsules(images)
    for chosen in (None, labels):
        drawn = reconstructions(model, images, chosen, batch_size=4)
        expected = model.reconstruct(capsules, chosen).numpy()
        np.testing.assert_allclose(drawn, expected, rtol=0, atol=1e-6)
    assert reconstructions(model, images[:0]).shape == (0, 8, 8, 1)
    assert model.training


def test_coefficients_by_place_are_means_that_favour_long_capsules(images):
    model = small()
    u = model.primary_capsules(images[:1]).numpy()[0].reshape(2, 2, 4, 8)
    coefficients = routing_coefficients(model, images[:1])[:, 0].reshape(3, 2, 2, 4, 3)
    maps = capsule_pictures.coefficients_by_place(model, images[:1])
    assert maps.shape == (3, 2, 2, 3)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, rtol=0, atol=1e-5)
    lengths = np.linalg.norm(u[1, 0], axis=-1)
    expected = np.average(coefficients[2, 1, 0], axis=0, weights=lengths)
    np.testing.assert_allclose(maps[2, 1, 0], expected, rtol=1e-4)


def test_images_need_as_many_labels(images, tmp_path):
    with pytest.raises(ShapeError, match=r"9 images \(shape .*\) need labels of shape \(9,\), not \(2,\)"):
        reconstructions_picture(tmp_path / "a.png", small(), images, [0, 1])
