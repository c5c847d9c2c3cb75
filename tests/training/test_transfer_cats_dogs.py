"""Transfer from a network that was trained on ImageNet to photographs of cats and dogs."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.data.files import locate
from tinynet.training.transfer import FeatureCache, LogisticRegression, cross_validate


@pytest.mark.slow
def test_logistic_regression_on_cached_features(tmp_path):
    pytest.importorskip("PIL", reason="reading photographs needs Pillow")
    path = locate("weights", "mobilenet-v1-0.25-224-tfjs")
    if path is None or locate("cats-dogs", "cat") is None:
        pytest.skip("weights and photographs are not on this machine; TINYNET_DATA names their folder")
    model = models.pretrained("mobilenet-v1", path).model
    network = nn.Sequential({"scale": nn.Lambda(lambda x: x * 2.0 - 1.0, "0..1 to -1..1"), "network": model})
    data = tn.data.load_cats_dogs(224, dtype=np.uint8)
    images = np.concatenate([data.train.images, data.test.images])
    labels = np.concatenate([data.train.labels, data.test.labels])
    features = FeatureCache(tmp_path / "features.safetensors").features(network, images, "network.pool")
    assert features.shape == (1600, 256)
    assert cross_validate(LogisticRegression(), features, labels, folds=5).mean() >= 0.935
