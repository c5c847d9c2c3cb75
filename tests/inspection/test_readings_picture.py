"""The sheet of word images with what was read in them."""

import numpy as np
import pytest

from tinynet.errors import ShapeError
from tinynet.inspection import readings, readings_picture


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (32, width, 1), dtype=np.uint8) for width in (20, 90, 40)]


def test_titles_tell_what_was_read_and_what_is_written(images, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    figures = []
    save = readings.save_figure
    monkeypatch.setattr(
        readings, "save_figure", lambda figure, path: figures.append(figure) or save(figure, path)
    )
    path = readings_picture(
        tmp_path / "sheet.png", images, ["a$b$", "", "no"], ["a$b$", "is", "on"], columns=2
    )
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    titles = [(place.title.get_text(), place.title.get_color()) for place in figures[0].axes]
    assert titles[:3] == [("a$b$", "black"), ("(nothing)\nis is", "red"), ("no\nis on", "red")]
    assert [place.axison for place in figures[0].axes] == [False] * 4


def test_without_expected_texts_all_titles_are_black(images, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    greys = [image / 255 for image in images]
    assert readings_picture(tmp_path / "sheet.png", greys, ["a", "b", "c"]).exists()


def test_every_image_needs_a_text(images, tmp_path):
    with pytest.raises(ShapeError, match="readings_picture: 3 images need as many texts, not 2 found and 3"):
        readings_picture(tmp_path / "sheet.png", images, ["a", "b"], ["a", "b", "c"])
