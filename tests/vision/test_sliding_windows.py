"""Windows cut out one by one, and the classifier as a convolution, which gives the same answers."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError, ShapeError
from tinynet.models.window_classifier import WindowClassifier
from tinynet.vision import classify_windows, sliding_windows


@pytest.fixture(scope="module")
def classifier():
    tn.manual_seed(0)
    return WindowClassifier().to("float64")


def test_the_documented_classifier_has_the_documented_shapes(classifier):
    rows = {row.name: row.output_shape[1:] for row in nn.summarize(classifier, (14, 14, 3))}
    assert rows["features.conv"] == (10, 10, 16)
    assert rows["features.pool"] == (5, 5, 16)
    assert rows["classifier.flatten"] == rows["classifier.dense1"] == rows["classifier.dense2"] == (400,)
    assert rows["classifier.dense3"] == (4,)
    sliding = nn.fully_convolutional(classifier)
    rows = {row.name: row.output_shape[1:] for row in nn.summarize(sliding, (14, 14, 3))}
    assert rows["classifier.dense1"] == rows["classifier.dense2"] == (1, 1, 400)
    assert rows["classifier.dense3"] == (1, 1, 4)
    layer = sliding.classifier.dense1
    assert (layer.kernel_size, layer.in_channels, layer.out_channels) == ((5, 5), 16, 400)
    assert sliding.num_parameters() == classifier.num_parameters() == 323_620


def test_on_16_by_16_it_gives_what_the_four_crops_give(classifier, rng):
    image = rng.random((1, 16, 16, 3))
    found = nn.fully_convolutional(classifier)(image).numpy()
    assert found.shape == (1, 2, 2, 4)
    for i in range(2):
        for j in range(2):
            crop = image[:, 2 * i : 2 * i + 14, 2 * j : 2 * j + 14]
            np.testing.assert_allclose(found[:, i, j], classifier(crop).numpy(), rtol=1e-10)


def test_on_28_by_28_it_gives_8_by_8(classifier, rng):
    images = rng.random((2, 28, 28, 3))
    found = nn.fully_convolutional(classifier)(images).numpy()
    assert found.shape == (2, 8, 8, 4)
    np.testing.assert_allclose(found, classify_windows(classifier, images, 14, stride=2), rtol=1e-10)


def test_the_classifier_itself_stays_as_it_was(classifier, rng):
    window = rng.random((3, 14, 14, 3))
    before = classifier(window).numpy()
    sliding = nn.fully_convolutional(classifier)
    sliding.classifier.dense3.weight.data[...] = 0
    np.testing.assert_array_equal(classifier(window).numpy(), before)
    assert isinstance(classifier.classifier.dense1, nn.Linear)


def test_lenet5_slides_by_four_pixels(rng):
    model = models.LeNet5(variant="classic").to("float64")
    images = rng.random((1, 40, 36, 1))
    found = nn.fully_convolutional(model)(images).numpy()
    assert found.shape == (1, 3, 2, 10)
    np.testing.assert_allclose(found, classify_windows(model, images, 32, stride=4), rtol=1e-9)


def test_pooling_over_all_pixels_becomes_pooling_over_windows(rng):
    for pool, activation in ((nn.GlobalAvgPool2d(), nn.Tanh()), (nn.GlobalMaxPool2d(), nn.ReLU())):
        model = nn.Sequential(
            nn.Conv2d(2, 5, 3, stride=2),
            nn.BatchNorm2d(5),
            activation,
            pool,
            nn.Dropout(0.5),
            nn.Linear(5, 3),
        ).to("float64")
        model.eval()
        images = rng.normal(size=(2, 15, 13, 2))
        found = nn.fully_convolutional(model, (9, 9, 2))(images).numpy()
        assert found.shape == (2, 4, 3, 3)
        np.testing.assert_allclose(found, classify_windows(model, images, 9, stride=2), rtol=1e-10)


def test_padded_models_are_converted_and_agree_on_their_own_size(rng):
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding="same"), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding="same"), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(24, 8), nn.Tanh(), nn.Linear(8, 3)),
    ).to("float64")
    images = rng.random((1, 20, 24, 1))
    sliding = nn.fully_convolutional(model, (8, 8, 1))
    own = sliding(images[:, :8, :8]).numpy()[:, 0, 0]
    np.testing.assert_allclose(own, model(images[:, :8, :8]).numpy(), rtol=1e-10)
    found, crops = sliding(images).numpy(), classify_windows(model, images, 8, stride=4)
    assert found.shape == crops.shape == (1, 4, 5, 3)
    assert not np.allclose(found, crops)


class FlattensByItself(nn.Module):
    def __init__(self):
        self.dense = nn.Linear(12, 3)

    def forward(self, x):
        return self.dense(x.reshape(len(x), -1))


class UsesALayerTwice(nn.Module):
    def __init__(self):
        self.flatten, self.dense = nn.Flatten(), nn.Linear(12, 12)

    def forward(self, x):
        return self.dense(self.dense(self.flatten(x)))


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(ArgumentError, match="FlattensByItself cannot be converted"):
        nn.fully_convolutional(FlattensByItself(), (2, 2, 3))
    with pytest.raises(ArgumentError, match="Linear is used more than once"):
        nn.fully_convolutional(UsesALayerTwice(), (2, 2, 3))
    with pytest.raises(ArgumentError, match="Sequential has no input_shape, so it must be given"):
        nn.fully_convolutional(nn.Sequential(nn.Flatten()))
    with pytest.raises(ArgumentError, match="Sequential cannot be converted: the copy's output"):
        nn.fully_convolutional(nn.Sequential(nn.Conv2d(3, 3, 3)), (5, 5, 3))


# Windows


def test_windows_are_where_they_should_be(rng):
    images = rng.random((2, 7, 9, 3))
    windows = sliding_windows(images, (3, 4), stride=(2, 1))
    assert windows.shape == (2, 3, 6, 3, 4, 3)
    np.testing.assert_array_equal(windows[1, 2, 5], images[1, 4:7, 5:9])
    assert sliding_windows(images, (7, 9)).shape == (2, 1, 1, 7, 9, 3)


def test_windows_are_classified_in_batches(rng):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).to("float64")
    images = rng.random((2, 5, 4, 3))
    whole = classify_windows(model, images, 2)
    assert whole.shape == (2, 4, 3, 3)
    np.testing.assert_allclose(classify_windows(model, images, 2, batch_size=5), whole, rtol=1e-12)
    np.testing.assert_allclose(whole[1, 3, 2], model(images[1:, 3:5, 2:4]).numpy()[0], rtol=1e-12)


def test_windows_that_do_not_fit_are_refused():
    for shape in ((1, 3, 9, 3), (4, 4, 3)):
        with pytest.raises(ShapeError, match=r"with at least 4×4 pixels, not of shape"):
            sliding_windows(np.ones(shape), 4)
    with pytest.raises(ArgumentError, match="sliding_windows: stride should be at least 1, not 0"):
        sliding_windows(np.ones((1, 4, 4, 3)), 4, stride=0)
