import numpy as np
import pytest

from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection import confusion_matrix, confusion_picture


def test_counts_are_those_of_a_plain_loop(rng):
    labels, predictions = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    expected = np.zeros((5, 5), int)
    for label, prediction in zip(labels, predictions, strict=True):
        expected[label, prediction] += 1
    np.testing.assert_array_equal(confusion_matrix(labels, predictions), expected)


def test_classes_that_do_not_occur_have_zeros():
    matrix = confusion_matrix([0, 1], [0, 0], classes=3)
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert confusion_matrix([], [], classes=2).tolist() == [[0, 0], [0, 0]]
    assert confusion_matrix([], []).shape == (0, 0)


def test_wrong_arguments_are_refused():
    with pytest.raises(ShapeError, match=r"the same shape \(N,\), not \(2,\) and \(3,\)"):
        confusion_matrix([0, 1], [0, 1, 2])
    with pytest.raises(ArgumentError, match=r"with 2 classes, .* go from 0 to 1; found 0 to 2"):
        confusion_matrix([0, 1], [0, 2], classes=2)
    with pytest.raises(ArgumentError, match="found -1 to 1"):
        confusion_matrix([0, -1], [0, 1])


def test_picture_is_a_png_with_dark_diagonal(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    names = ["cat", "dog"]
    paths = [
        confusion_picture(tmp_path / f"{name}.png", matrix, names)
        for name, matrix in (("right", [[5, 0], [0, 5]]), ("empty", [[0, 0], [0, 0]]))
    ]
    brightness = []
    for path in paths:
        with image.open(path) as picture:
            assert picture.format == "PNG"
            brightness.append(np.asarray(picture.convert("L")).mean())
    assert brightness[0] < brightness[1]


def test_picture_of_something_else_is_refused(tmp_path):
    with pytest.raises(ShapeError, match=r"matrix should be square, not of shape \(2, 3\)"):
        confusion_picture(tmp_path / "matrix.png", np.zeros((2, 3)))
