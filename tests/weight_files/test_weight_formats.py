"""npz and safetensors files, and telling formats apart."""

import io
import tarfile
import zipfile

import numpy as np
import pytest

from tinynet.errors import CheckpointError
from tinynet.nn.serialization import save_tensors
from tinynet.weight_files import read_weights

ARRAYS = {
    "conv1/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">f4"),
    "half": np.ones(2, np.float16),
    "integer": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    path = tmp_path / "weights.npz"
    save(path, **ARRAYS)
    found = read_weights(path)
    assert (found.format, found.layout, found.path) == ("npz", None, path)
    assert list(found.arrays) == list(ARRAYS)
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(found.arrays[name], expected)
        assert found.arrays[name].dtype == expected.dtype.newbyteorder("=")
        assert found.arrays[name].flags.writeable


def test_the_name_of_the_file_does_not_matter(tmp_path):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    save_tensors(tmp_path / "b", ARRAYS, {"note": "x"})
    assert read_weights((tmp_path / "a.npz").rename(tmp_path / "a.th")).format == "npz"
    found = read_weights(str(tmp_path / "b"))
    assert (found.format, found.metadata) == ("safetensors", {"note": "x"})
    np.testing.assert_array_equal(found.arrays["fortran"], ARRAYS["fortran"])


def test_python_objects_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CheckpointError, match=r"x\.npy holds object, which is no number type"):
        read_weights(path)


def header(shape, dtype="<f4"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": dtype})
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((25_000_000_000,)) + bytes(8), r"needs 100,000,000,000 bytes but has 8"),
        (header((1,)) + bytes(8), r"needs 4 bytes but has 8"),
        (header((-1,)) + bytes(8), "damaged"),
        (b"no array", "damaged"),
        (b"", "damaged"),
    ],
)
def test_members_that_lie(tmp_path, content, message):
    path = tmp_path / "weights.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(CheckpointError, match=message) as raised:
        read_weights(path)
    assert str(path) in str(raised.value)


def test_archives_that_unpack_to_far_more_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, x=np.zeros(25_000_000, np.float32))
    assert path.stat().st_size < 200_000
    with pytest.raises(CheckpointError, match=r"would unpack to 100,000,128 bytes"):
        read_weights(path)


def test_truncated_archives(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, **ARRAYS)
    content = path.read_bytes()
    for length in range(4, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=f"{path} is damaged"):
            read_weights(path)


def test_a_changed_number_does_not_pass_unnoticed(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, x=np.full(100, 0.25, np.float32))
    content = path.read_bytes()
    path.write_bytes(content.replace(np.float32(0.25).tobytes() * 50, np.float32(0.5).tobytes() * 50, 1))
    with pytest.raises(CheckpointError, match="CRC"):
        read_weights(path)


def tar(path):
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "is damaged: it is empty"),
        (lambda path: path.write_bytes(b"GIF89a" * 100), "has no known format; known are safetensors, npz"),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
            "a pointer of Git LFS",
        ),
        (tar, "is a tar archive, perhaps of PyTorch before"),
        (other_zip, "is a zip archive, but neither npz nor of PyTorch"),
        (lambda path: None, "does not exist"),
    ],
)
def test_files_of_no_known_format(tmp_path, write, message):
    path = tmp_path / "weights"
    write(path)
    with pytest.raises(CheckpointError, match=message):
        read_weights(path)
