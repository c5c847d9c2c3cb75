"""MNIST and Fashion-MNIST: the real files where they are, and files that only look like them."""

import numpy as np
import pytest

from tinynet.data import load_fashion_mnist, load_mnist, write_idx
from tinynet.data.files import DataNotFoundError, locate
from tinynet.data.mnist import FASHION_MNIST_FILES, MNIST_FILES
from tinynet.errors import DataError, DTypeError


def require(data_set, files):
    for file in files:
        if locate(data_set, file.name) is None:
            pytest.skip(f"{data_set} is neither under $TINYNET_DATA nor in the cache folder")


@pytest.mark.parametrize(
    ("load", "data_set", "files", "first_labels"),
    [
        (load_mnist, "mnist", MNIST_FILES, [5, 0, 4, 1, 9]),
        (load_fashion_mnist, "fashion-mnist", FASHION_MNIST_FILES, [9, 0, 0, 3, 0]),
    ],
)
def test_the_real_files(load, data_set, files, first_labels):
    require(data_set, files)
    data = load(dtype=np.uint8)
    (x_train, y_train), (x_test, y_test) = data
    assert x_train.shape == (60000, 28, 28, 1) and x_train.dtype == np.uint8
    assert x_test.shape == (10000, 28, 28, 1)
    assert y_train.dtype == np.int64 and y_train[:5].tolist() == first_labels
    assert y_test.shape == (10000,)
    assert data.name == data_set and len(data.class_names) == 10
    if data_set == "fashion-mnist":
        assert np.bincount(y_train).tolist() == [6000] * 10
    for file in files:
        assert locate(data_set, file.name).stat().st_size == file.size


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A folder with files of MNIST's names and shapes, uncompressed and made of zeros."""
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, count in (("train", 60000), ("t10k", 10000)):
        write_idx(folder / f"{part}-images-idx3-ubyte", np.full((count, 28, 28), 51, dtype=np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.full(count, 9, dtype=np.uint8))
    return folder


def test_unpacked_files_and_floating_pixels(written):
    data = load_mnist()
    assert data.test.images.dtype == np.float32
    np.testing.assert_allclose(data.test.images[0], 0.2, rtol=1e-6)
    assert len(data.train) == 60000
    assert data.train.dataset()[0][1] == 9
    assert "images (10000, 28, 28, 1) float32" in repr(data.test)
    with pytest.raises(DTypeError, match=r"uint8 .* or floating-point .*, not int64"):
        load_mnist(dtype=np.int64)


def test_wrong_contents(written):
    labels = written / "t10k-labels-idx1-ubyte"
    write_idx(labels, np.full(10000, 10, dtype=np.uint8))
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: expected labels 0 to 9, found 10"):
        load_mnist()
    write_idx(labels, np.zeros(9999, dtype=np.uint8))
    with pytest.raises(DataError, match=r"expected shape \(10000,\), uint8; found \(9999,\), uint8"):
        load_mnist()


def test_missing(written):
    (written / "train-images-idx3-ubyte").unlink()
    with pytest.raises(DataNotFoundError, match=r"(?s)train-images-idx3-ubyte\.gz.*TINYNET_OFFLINE"):
        load_mnist()
