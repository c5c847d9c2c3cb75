"""Temperature scaling of a real network that is miscalibrated on purpose."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.data.files import locate
from tinynet.training import Trainer
from tinynet.training.calibration import (
    TemperatureScaling,
    expected_calibration_error,
    negative_log_likelihood,
)

WIDTH, DEPTH = 256, 6


@pytest.fixture(scope="module")
def data():
    if locate("fashion-mnist", "train-images-idx3-ubyte.gz") is None:
        pytest.skip("fashion-mnist is neither under $TINYNET_DATA nor in the cache folder")
    return tn.data.load_fashion_mnist(dtype=np.uint8)


def deep_network():
    """Deep, with batch norm, and trained without weight decay: what makes networks too sure of themselves."""
    layers = [nn.Flatten()]
    for index in range(DEPTH):
        layers += [nn.Linear(784 if index == 0 else WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 10))


@pytest.mark.slow
def test_calibration_error_falls_by_half_and_no_prediction_changes(data):
    tn.manual_seed(0)
    model = deep_network()
    trainer = Trainer(model, optim.Adam(model.parameters()), F.cross_entropy)
    images, labels = data.train.images, data.train.labels
    trainer.fit(images[:8000], labels[:8000], epochs=12, batch_size=100, verbose=0)
    held_out, truth = trainer.predict(images[-5000:]), labels[-5000:]
    test = trainer.predict(data.test.images)
    scaling = TemperatureScaling().fit(held_out, truth)
    calibrated = scaling(test)

    np.testing.assert_array_equal(calibrated.argmax(axis=1), test.argmax(axis=1))
    before = expected_calibration_error(test, data.test.labels)
    assert before > 0.05
    assert expected_calibration_error(calibrated, data.test.labels) < before / 2
    assert negative_log_likelihood(calibrated, data.test.labels) < negative_log_likelihood(
        test, data.test.labels
    )
    grid = np.geomspace(0.5, 10, 1000)  # steps of 0.3 %
    best = grid[np.argmin([negative_log_likelihood(held_out / t, truth) for t in grid])]
    assert scaling.temperature == pytest.approx(best, rel=0.01)
