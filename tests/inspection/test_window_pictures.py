"""The picture of where a sliding classifier sees what."""

import numpy as np
import pytest

from tinynet.errors import ShapeError
from tinynet.inspection import windows_picture

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
Image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
FRAME = np.array([0x19, 0xD3, 0xFF])


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def middle_of_frame(picture):
    """Where the frame's middle is, (down, right), from 0 to 1."""
    places = np.argwhere(np.abs(picture - FRAME).max(axis=-1) < 12)
    return (places.min(axis=0) + places.max(axis=0)) / 2 / picture.shape[:2]


def test_the_frame_is_around_the_likeliest_window(tmp_path):
    image, middles = np.zeros((40, 40, 1)), {}
    for corner in ((0, 0), (0, 4), (4, 0)):
        probabilities = np.zeros((5, 5, 2))
        probabilities[(*corner, 0)] = 0.9
        path = windows_picture(tmp_path / "a.png", image, probabilities, (8, 8), (8, 8), classes=1)
        middles[corner] = middle_of_frame(pixels(path))
    assert middles[0, 4][1] > middles[0, 0][1] + 0.5
    assert middles[4, 0][0] > middles[0, 0][0] + 0.5
    assert middles[0, 4][0] == pytest.approx(middles[0, 0][0], abs=0.02)


def test_there_is_a_panel_for_each_of_the_surest_classes(tmp_path, rng):
    image, probabilities = rng.random((12, 16, 3)), rng.random((3, 4, 5))
    widths = [
        pixels(
            windows_picture(tmp_path / "b.png", image, probabilities, (6, 6), (2, 3), list("abcde"), count)
        ).shape[1]
        for count in (1, 3, 9)
    ]
    assert widths == [widths[0], 3 * widths[0], 5 * widths[0]]


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ShapeError, match=r"image should be \(H, W, 1\) or \(H, W, 3\), not \(4, 4\)"):
        windows_picture(tmp_path / "c.png", np.zeros((4, 4)), np.zeros((1, 1, 2)), (4, 4), (1, 1))
    with pytest.raises(ShapeError, match=r"should be \(rows, columns, classes\), not \(0, 1, 2\)"):
        windows_picture(tmp_path / "c.png", np.zeros((4, 4, 1)), np.zeros((0, 1, 2)), (4, 4), (1, 1))
    assert not list(tmp_path.iterdir())
