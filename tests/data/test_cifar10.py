"""CIFAR-10: small archives in the official formats, and the real parts where they are."""

import io
import lzma
import pickle
import re
import tarfile

import numpy as np
import pytest

from tinynet.data import CIFAR10_CLASSES, load_cifar10
from tinynet.data.archives import read_members
from tinynet.data.cifar10 import JPEG_ARCHIVE_NAME, read_cifar10_archive
from tinynet.data.files import DataNotFoundError, locate
from tinynet.errors import ArgumentError, DataError

COUNT = 4
NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def batches():
    """name → (pixels (N, 32, 32, 3), labels)."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, COUNT))
        for name in NAMES
    }


def planes(pixels):
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), -1)


def binary_members(content):
    for name, (pixels, labels) in content.items():
        rows = np.concatenate([labels[:, np.newaxis].astype(np.uint8), planes(pixels)], axis=1)
        yield f"cifar-10-batches-bin/{name}.bin", rows.tobytes()
    yield "cifar-10-batches-bin/readme.html", b"<html>"


def python_members(content):
    for name, (pixels, labels) in content.items():
        batch = {b"data": planes(pixels), b"labels": labels.tolist(), b"batch_label": b"one of these"}
        yield f"cifar-10-batches-py/{name}", latin_pickle(batch)


def latin_pickle(batch):
    """Protocol 2 with byte strings as Python 2 wrote them, in place of the encoded text of Python 3."""

    class Pickler(pickle._Pickler):
        dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

        def save_bytes(self, text):
            self.write(b"T" + len(text).to_bytes(4, "little") + text)

        dispatch[bytes] = save_bytes

    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(batch)
    return stream.getvalue()


def write_tar(path, members):
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w:gz") as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


@pytest.mark.parametrize("members", [binary_members, python_members])
def test_official_formats(tmp_path, members):
    content = batches()
    train, test = read_cifar10_archive(write_tar(tmp_path / "cifar.tar.gz", members(content)), COUNT)
    for part in (0, 1):
        np.testing.assert_array_equal(
            train[part], np.concatenate([content[name][part] for name in NAMES[:5]])
        )
        np.testing.assert_array_equal(test[part], content["test_batch"][part])
    assert train[0].dtype == np.uint8 and train[1].dtype == np.int64
    assert train[0].shape == (5 * COUNT, 32, 32, 3)


def change(members, name, content):
    return [(one, content if one.endswith(name) else old) for one, old in members]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda good: [m for m in binary_members(good) if "batch_3" not in m[0]], "data_batch_3 not found"),
        (
            lambda good: change(binary_members(good), "batch_2.bin", b"short"),
            "data_batch_2.bin: expected 12,292 bytes, found 5",
        ),
        (
            lambda good: change(binary_members(good), "batch_2.bin", b"\x0a" * 12292),
            "data_batch_2.bin: expected labels 0 to 9, found 10",
        ),
        (
            lambda good: change(python_members(good), "batch_4", pickle.dumps(print, 2)),
            "data_batch_4: not a pickle of plain data and arrays",
        ),
        (
            lambda good: change(python_members(good), "batch_4", latin_pickle([1])),
            "data_batch_4: expected data of shape (4, 3072), uint8; found NoneType",
        ),
        (
            lambda good: change(
                python_members(good),
                "batch_4",
                latin_pickle({b"data": planes(good["test_batch"][0]), b"labels": [1]}),
            ),
            "data_batch_4: expected a list of 4 integers as labels",
        ),
    ],
)
def test_wrong_archives(tmp_path, make, message):
    path = write_tar(tmp_path / "cifar.tar.gz", make(batches()))
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_cifar10_archive(path, COUNT)
    assert str(path) in str(caught.value)


def test_members_are_read_without_touching_the_disk(tmp_path):
    members = [("../outside", b"one"), ("/absolute", b"two"), ("plain", b"")]
    path = write_tar(tmp_path / "odd.tar.xz", members)
    assert list(read_members(path, 1 << 20)) == members
    assert [one.name for one in tmp_path.iterdir()] == ["odd.tar.xz"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    header = tarfile.TarInfo("odd")
    header.type = kind
    header.linkname = "/etc/passwd"
    with tarfile.open(tmp_path / "odd.tar.gz", "w:gz") as tar:
        tar.addfile(header)
    with pytest.raises(DataError, match="'odd' is neither a file nor a folder"):
        list(read_members(tmp_path / "odd.tar.gz", 1 << 20))


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz"])
def test_damaged_archives(tmp_path, name):
    path = write_tar(tmp_path / name, [("a", np.random.default_rng(0).bytes(100_000))])
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(DataError, match="damaged archive"):
        list(read_members(path, 1 << 20))
    path.write_bytes(b"no archive at all")
    with pytest.raises(DataError, match="damaged archive"):
        list(read_members(path, 1 << 20))


def test_archives_that_unpack_to_too_much(tmp_path):
    path = write_tar(tmp_path / "bomb.tar.xz", [("zeros", bytes(10 << 20))])
    with pytest.raises(DataError, match="unpacks to more than the expected 1,048,576 bytes"):
        list(read_members(path, 1 << 20))


@pytest.fixture
def empty_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


@pytest.mark.parametrize(
    ("variant", "name"),
    [("official", "cifar-10-python.tar.gz"), ("lossless", "lossless"), ("jpeg", JPEG_ARCHIVE_NAME)],
)
def test_missing_files(empty_folders, variant, name):
    with pytest.raises(DataNotFoundError, match=re.escape(str(empty_folders / name))):
        load_cifar10(variant)


def test_unknown_variant():
    with pytest.raises(ArgumentError, match="variant should be one of official, lossless, jpeg, not 'small'"):
        load_cifar10("small")


def test_an_unexpected_member_of_the_jpeg_part(empty_folders):
    write_tar(empty_folders / JPEG_ARCHIVE_NAME, [("train/lion/0000.jpg", b"")])
    with pytest.raises(DataError, match=r"unexpected member 'train/lion/0000.jpg'"):
        load_cifar10("jpeg")
    (empty_folders / JPEG_ARCHIVE_NAME).write_bytes(lzma.compress(bytes(10240)))
    with pytest.raises(DataError, match="expected 10,000 images in train, found 0"):
        load_cifar10("jpeg")


def test_the_real_lossless_part():
    pytest.importorskip("PIL", reason="decoding images needs Pillow")
    if locate("cifar10", "lossless") is None:
        pytest.skip("the lossless part of CIFAR-10 is not under $TINYNET_DATA")
    data = load_cifar10("lossless")
    assert "lossless" in data.name and data.class_names == CIFAR10_CLASSES
    assert data.train.images.shape == (3000, 32, 32, 3) and data.train.images.dtype == np.float32
    assert data.test.images.shape == (1000, 32, 32, 3)
    assert data.train.images.min() >= 0 and data.train.images.max() <= 1
    assert data.train.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]


@pytest.mark.slow
def test_the_real_jpeg_part():
    pytest.importorskip("PIL", reason="decoding images needs Pillow")
    if locate("cifar10", JPEG_ARCHIVE_NAME) is None:
        pytest.skip("the JPEG part of CIFAR-10 is not under $TINYNET_DATA")
    data = load_cifar10("jpeg", dtype=np.uint8)
    assert "JPEG" in data.name
    for split in data:
        assert split.images.shape == (10000, 32, 32, 3) and split.images.dtype == np.uint8
        assert np.bincount(split.labels).tolist() == [1000] * 10
