"""The picture of image and alignment."""

import numpy as np
import pytest

from tinynet.errors import ShapeError
from tinynet.inspection import alignment_picture, alignments
from tinynet.sequences import Alphabet

ALPHABET = Alphabet("abc")
PROBABILITIES = np.array(
    [
        [0.01, 0.01, 0.01, 0.97],
        [0.01, 0.90, 0.01, 0.08],
        [0.01, 0.60, 0.01, 0.38],
        [0.55, 0.01, 0.04, 0.40],
        [0.01, 0.01, 0.01, 0.97],
    ]
)


def test_the_file_is_a_picture(tmp_path, rng):
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    pytest.importorskip("matplotlib", reason="drawing needs Matplotlib")
    path = alignment_picture(tmp_path / "a" / "b.png", rng.random((32, 24, 1)), PROBABILITIES, ALPHABET)
    with image.open(path) as picture:
        assert min(picture.size) > 200
        assert len(set(picture.convert("L").tobytes())) > 20


def test_rows_are_the_characters_in_the_order_of_reading():
    best = PROBABILITIES.argmax(axis=1)
    assert alignments._rows(PROBABILITIES, ALPHABET.blank, best, 0.05) == [1, 0, 3]
    assert alignments._rows(PROBABILITIES, ALPHABET.blank, best, 0.03) == [1, 0, 2, 3]
    # A character of the best path always has a row.
    assert alignments._rows(PROBABILITIES, ALPHABET.blank, best, 0.95) == [1, 0, 3]
    assert alignments._best_path_text(best, ALPHABET) == "ba"
    assert alignments._best_path_text(np.array([0, 0, 3, 0]), ALPHABET) == "aa"


def test_wrong_shapes(tmp_path):
    with pytest.raises(ShapeError, match=r"image must be \(H, W, 1\), not \(32, 24\)"):
        alignment_picture(tmp_path / "x.png", np.ones((32, 24)), PROBABILITIES, ALPHABET)
    with pytest.raises(ShapeError, match=r"probabilities must be \(T, 4\) with T at least 1, not \(5, 3\)"):
        alignment_picture(tmp_path / "x.png", np.ones((32, 24, 1)), PROBABILITIES[:, :3], ALPHABET)
