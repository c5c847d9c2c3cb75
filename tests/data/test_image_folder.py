"""Image files in class folders."""

import sys

import numpy as np
import pytest

from tinynet.data import DataLoader, ImageFolder, Scale
from tinynet.data.decoding import decode_image
from tinynet.data.files import DataNotFoundError
from tinynet.errors import ArgumentError, DataError, MissingExtraError

Image = pytest.importorskip("PIL.Image", reason="image folders need Pillow")


@pytest.fixture
def root(tmp_path):
    """Two dogs and a cat, with files in between that are no samples."""
    rng = np.random.default_rng(0)
    for name in ("dog/2.png", "dog/1.PNG", "cat/9.png", "cat/.hidden.png", ".thumbnails/1.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)).save(path, format="png")
    (tmp_path / "cat" / "notes.txt").write_text("a cat")
    (tmp_path / "readme.png").write_text("outside of the class folders")
    return tmp_path


def test_classes_and_samples_are_sorted(root):
    folder = ImageFolder(root)
    assert folder.class_names == ("cat", "dog")
    assert [path.name for path in folder.paths] == ["9.png", "1.PNG", "2.png"]
    assert folder.labels == [0, 1, 1] and len(folder) == 3
    image, label = folder[2]
    assert label == 1 and image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.asarray(Image.open(root / "dog" / "2.png")))


def test_size_and_mode(root):
    assert ImageFolder(root, size=8)[0][0].shape == (8, 8, 3)
    assert ImageFolder(root, size=(3, 5), mode="L")[0][0].shape == (3, 5, 1)
    with pytest.raises(ArgumentError, match="ImageFolder: mode should be 'RGB' or 'L', not 'CMYK'"):
        ImageFolder(root, mode="CMYK")


def test_pixels_are_writable_and_loaded_in_batches(root):
    folder = ImageFolder(root, transform=Scale())
    x, y = next(iter(DataLoader(folder, batch_size=3, workers=2)))
    assert x.shape == (3, 6, 4, 3) and x.dtype == np.float32
    assert y.numpy().tolist() == [0, 1, 1]


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_corrupt_files_are_named_when_they_are_asked_for(root, content):
    path = root / "dog" / "1.PNG"
    path.write_bytes(path.read_bytes()[:60] if content is None else content)
    folder = ImageFolder(root)
    assert folder[0][1] == 0
    with pytest.raises(DataError, match=r"1\.PNG: not a readable image: ") as caught:
        folder[1]
    assert str(path) in str(caught.value)


def test_too_many_pixels_are_refused(root):
    with pytest.raises(DataError, match=r"9\.png: 4×6 pixels, at most 23 are accepted"):
        ImageFolder(root, max_pixels=23)[0]
    bomb = root / "cat" / "0.png"
    Image.new("1", (8001, 8000)).save(bomb)
    with pytest.raises(DataError, match="8001×8000 pixels, at most 64,000,000 are accepted"):
        ImageFolder(root)[0]
    Image.new("1", (20000, 20000)).save(bomb)
    with pytest.raises(DataError, match=r"0\.png: not a readable image: Image size .* decompression bomb"):
        ImageFolder(root)[0]


def test_missing_folders(root):
    with pytest.raises(DataNotFoundError, match="nowhere is not a folder"):
        ImageFolder(root / "nowhere")
    with pytest.raises(DataNotFoundError, match="cat holds no class folders with image files"):
        ImageFolder(root / "cat")


def test_missing_pillow_names_the_extra(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"reading images needs pillow.*tinynet\[data\]"):
        ImageFolder(root)[0]


def test_decode_image_modes():
    with pytest.raises(ArgumentError, match="decode_image: mode should be 'RGB' or 'L', not 'P'"):
        decode_image("x.png", "x.png", mode="P")


def test_black_ink_on_a_transparent_ground_is_black_on_white(tmp_path):
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[1:3, 2:4, 3] = 255  # opaque black in the middle of transparent black
    Image.fromarray(pixels).save(tmp_path / "ink.png")
    decoded = decode_image(tmp_path / "ink.png", "ink.png", mode="L")
    expected = np.full((4, 6, 1), 255)
    expected[1:3, 2:4] = 0
    np.testing.assert_array_equal(decoded, expected)
