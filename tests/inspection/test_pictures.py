import io
import sys

import numpy as np
import pytest

from tinynet.errors import MissingExtraError, ShapeError
from tinynet.inspection import prediction_grid

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
Image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")


def pixels(path):
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def redness(picture):
    return int((picture[..., 0] - picture[..., 1] > 100).sum())


def answers(*classes):
    return np.eye(3)[list(classes)] * 0.7 + 0.1


def test_only_wrong_answers_are_red(tmp_path, rng):
    images = rng.random((5, 8, 8, 1))
    given = answers(0, 1, 2, 0, 1)
    right = pixels(prediction_grid(tmp_path / "right.png", images, given, [0, 1, 2, 0, 1], columns=3))
    one_wrong = pixels(prediction_grid(tmp_path / "one.png", images, given, [0, 1, 2, 0, 2], columns=3))
    two_wrong = pixels(prediction_grid(tmp_path / "two.png", images, given, [0, 0, 2, 0, 2], columns=3))
    assert redness(right) == 0
    assert 0 < redness(one_wrong) < redness(two_wrong)


def test_without_labels_nothing_is_red(tmp_path, rng):
    picture = pixels(prediction_grid(tmp_path / "new" / "grid.png", rng.random((2, 8, 8, 1)), answers(0, 1)))
    assert redness(picture) == 0


def test_rows_are_added_as_needed(tmp_path, rng):
    few = pixels(prediction_grid(tmp_path / "few.png", rng.random((2, 8, 8, 1)), answers(0, 1), columns=2))
    many = pixels(
        prediction_grid(tmp_path / "many.png", rng.random((5, 8, 8, 1)), answers(0, 1, 2, 0, 1), columns=2)
    )
    assert (few.shape[1], 3 * few.shape[0]) == (many.shape[1], many.shape[0])


def test_colours_and_any_range_are_drawn(tmp_path):
    images = np.zeros((1, 4, 4, 3))
    images[..., 0] = 255
    picture = pixels(prediction_grid(tmp_path / "red.png", images, answers(0)))
    assert redness(picture) > 1000


@pytest.mark.parametrize("count", [0, 1])
def test_empty_and_constant_images_are_drawn(tmp_path, count):
    path = prediction_grid(tmp_path / "grid.png", np.ones((count, 4, 4, 1)), np.ones((count, 2)) / 2)
    assert pixels(path).size


@pytest.mark.parametrize(
    ("images", "probabilities", "labels", "text"),
    [
        (
            (2, 4, 4),
            (2, 3),
            None,
            r"images should be \(N, H, W, 1\) or \(N, H, W, 3\), not of shape \(2, 4, 4\)",
        ),
        ((2, 4, 4, 1), (3, 3), None, r"need probabilities of shape \(2, classes\), not \(3, 3\)"),
        ((2, 4, 4, 1), (2, 3), [0], r"need labels of shape \(2,\), not \(1,\)"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path, images, probabilities, labels, text):
    with pytest.raises(ShapeError, match=text):
        prediction_grid(tmp_path / "grid.png", np.zeros(images), np.zeros(probabilities), labels)
    assert not list(tmp_path.iterdir())


def test_no_global_state_of_pyplot_is_touched(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail
    assert prediction_grid(tmp_path / "grid.png", np.ones((1, 4, 4, 1)), answers(0)).exists()


def test_without_matplotlib_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tinynet\[plot\]'"):
        prediction_grid(tmp_path / "grid.png", np.ones((1, 4, 4, 1)), answers(0))
