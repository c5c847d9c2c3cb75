import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError
from tinynet.training import transfer
from tinynet.training.transfer import FeatureCache, freeze


@pytest.fixture
def network():
    tn.manual_seed(4)
    layers = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Dropout(0.5)]
    model = nn.Sequential(*layers, nn.Linear(5, 2))
    model[1].running_mean.data[...] = 0.1
    return model


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (10, 6, 6, 3)).astype(np.uint8)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "new" / "features.safetensors")


def count_runs(monkeypatch):
    """A list that gets an entry each time features are computed."""
    runs = []
    compute = transfer.feature_cache.layer_outputs

    def counted(*arguments):
        runs.append(arguments)
        return compute(*arguments)

    monkeypatch.setattr(transfer.feature_cache, "layer_outputs", counted)
    return runs


def test_cached_features_are_those_of_the_frozen_layers(network, images, cache):
    features = cache.features(network, images, "3", batch_size=4)
    again = cache.features(network, images, "3")
    assert features.shape == (10, 5) and features.dtype == np.float32
    np.testing.assert_array_equal(features, again)
    freeze(network, "4").train()
    x = tn.tensor(images.astype(np.float32) / np.float32(255))
    outputs = []
    network[3].register_forward_hook(lambda module, inputs, output: outputs.append(output.numpy()))
    network(x)
    np.testing.assert_allclose(outputs[0], features, rtol=1e-5, atol=1e-6)
    # So the layers behind them learn the same from the file as from the images.
    y = np.arange(10) % 2
    gradients = []
    for output in (network(x), network[5](tn.tensor(features))):
        network.zero_grad()
        F.cross_entropy(output, y).backward()
        gradients.append(network[5].weight.grad.numpy().copy())
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


def test_the_second_time_nothing_is_computed(network, images, cache, monkeypatch):
    runs = count_runs(monkeypatch)
    assert not cache.holds(network, images, "3")
    cache.features(network, images, "3")
    assert cache.holds(network, images, "3")
    cache.features(network, images, "3")
    FeatureCache(cache.path).features(network, tn.tensor(images), "3", batch_size=2)
    assert len(runs) == 1


def change_a_weight(network, images):
    network[0].weight.data[0, 0, 0, 0] += 1e-3
    return network, images, "3"


def change_statistics(network, images):
    network[1].running_mean.data[0] += 1e-3
    return network, images, "3"


def change_an_option(network, images):
    network[1].eps = 1e-3
    return network, images, "3"


def change_a_pixel(network, images):
    other = images.copy()
    other[-1, -1, -1, -1] ^= 1
    return network, other, "3"


def change_the_order(network, images):
    return network, images[::-1], "3"


def change_the_dtype(network, images):
    return network, images.astype(np.float32), "3"


def change_the_layer(network, images):
    return network, images, "1"


@pytest.mark.parametrize(
    "change",
    [
        change_a_weight,
        change_statistics,
        change_an_option,
        change_a_pixel,
        change_the_order,
        change_the_dtype,
        change_the_layer,
    ],
)
def test_a_stale_file_is_noticed_and_made_anew(network, images, cache, monkeypatch, change):
    cache.features(network, images, "3")
    changed = change(network, images)
    runs = count_runs(monkeypatch)
    assert not cache.holds(*changed)
    features = cache.features(*changed)
    assert len(runs) == 1
    assert cache.holds(*changed)
    fresh = FeatureCache(cache.path.with_name("other.safetensors")).features(*changed)
    np.testing.assert_array_equal(features, fresh)


def test_a_damaged_file_is_made_anew(network, images, cache):
    features = cache.features(network, images, "3")
    whole = cache.path.read_bytes()
    for content in (b"", whole[:20], whole[:-1], b"\xff" * 200):
        cache.path.write_bytes(content)
        assert not cache.holds(network, images, "3")
        np.testing.assert_array_equal(cache.features(network, images, "3"), features)
    assert cache.holds(network, images, "3")


def test_a_failure_leaves_the_old_file(network, images, cache, monkeypatch):
    features = cache.features(network, images, "3")

    def fail(*_):
        raise RuntimeError("the power went out")

    monkeypatch.setattr(transfer.feature_cache, "layer_outputs", fail)
    with pytest.raises(RuntimeError, match="power"):
        cache.features(network, images[:5], "3")
    np.testing.assert_array_equal(cache.features(network, images, "3"), features)
    assert [path.name for path in cache.path.parent.iterdir()] == [cache.path.name]


def test_an_unknown_layer_is_refused(network, images, cache):
    with pytest.raises(ArgumentError, match="no layer of Sequential '9'"):
        cache.features(network, images, "9")
    assert not cache.path.exists()
