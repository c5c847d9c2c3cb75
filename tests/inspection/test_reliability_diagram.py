import numpy as np
import pytest

from tinynet.inspection import reliability_diagram
from tinynet.training.calibration import reliability

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
Image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")


def pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def share_of(picture, colour):
    return (np.abs(picture - colour).max(axis=-1) < 8).sum() / (picture[..., 0] >= 0).sum()


RED, YELLOW = (237, 169, 162), (242, 199, 92)


@pytest.fixture
def answers(rng):
    logits = 2 * rng.standard_normal((4000, 4))
    powers = np.exp(logits)
    shares = (powers / powers.sum(axis=1, keepdims=True)).cumsum(axis=1)
    return logits, np.minimum((shares < rng.random((4000, 1))).sum(axis=1), 3)


@pytest.mark.parametrize("adaptive", [False, True])
def test_gaps_are_red_where_a_classifier_is_too_sure_and_yellow_where_too_unsure(tmp_path, answers, adaptive):
    logits, labels = answers
    good = reliability(logits, labels, adaptive=adaptive)
    sure = reliability(4 * logits, labels, adaptive=adaptive)
    unsure = reliability(0.3 * logits, labels, adaptive=adaptive)
    pictures = [
        pixels(reliability_diagram(tmp_path / "new" / f"{name}.png", bins, name))
        for name, bins in (("good", good), ("sure", sure), ("unsure", unsure))
    ]
    reds, yellows = [[share_of(picture, colour) for picture in pictures] for colour in (RED, YELLOW)]
    assert reds[1] > 2 * max(reds[0], reds[2])
    assert yellows[2] > 2 * max(yellows[0], yellows[1])


def test_several_diagrams_stand_side_by_side(tmp_path, answers):
    one = reliability(*answers)
    single = pixels(reliability_diagram(tmp_path / "one.png", one))
    double = pixels(reliability_diagram(tmp_path / "two.png", [one, one], ["before", "after"]))
    assert double.shape[0] == single.shape[0] and double.shape[1] == 2 * single.shape[1]


def test_a_single_sample_and_empty_bins_are_drawn(tmp_path):
    assert pixels(reliability_diagram(tmp_path / "one.png", reliability([[0.0, 1.0]], [1], bins=3))).size
