"""Hand-made filters: the documented example of 6 × 6 numbers, and photographs."""

import io

import numpy as np
import pytest

from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection.filters import FILTERS, filter_image, filters_picture

# Bright on the left, dark on the right.
STEP = np.array([[10.0] * 3 + [0.0] * 3] * 6)


def test_the_filters_are_the_documented_ones():
    documented = {
        "vertical": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
        "horizontal": [[1, 1, 1], [0, 0, 0], [-1, -1, -1]],
        "sobel vertical": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        "scharr vertical": [[3, 0, -3], [10, 0, -10], [3, 0, -3]],
    }
    for name, rows in documented.items():
        assert FILTERS[name].tolist() == rows
    for name in ("", "sobel ", "scharr "):
        np.testing.assert_array_equal(FILTERS[f"{name}horizontal"], FILTERS[f"{name}vertical"].T)


def test_an_edge_of_6_by_6_numbers_gives_4_by_4():
    assert filter_image(STEP, "vertical").tolist() == [[0, 30, 30, 0]] * 4
    assert not filter_image(STEP, "horizontal").any()


@pytest.mark.parametrize("name", FILTERS)
def test_the_sign_flips_from_dark_to_bright(name):
    image = STEP if "vertical" in name else STEP.T
    bright_to_dark = filter_image(image, name)
    dark_to_bright = filter_image(image[::-1, ::-1], name)
    assert bright_to_dark.max() == 10 * np.abs(FILTERS[name]).sum() / 2
    np.testing.assert_array_equal(dark_to_bright, -bright_to_dark)
    np.testing.assert_array_equal(np.abs(dark_to_bright), np.abs(bright_to_dark))


def test_it_is_a_cross_correlation(rng):
    image, kernel = rng.random((7, 9)), rng.random((3, 4))
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 4))
    found = filter_image(image, kernel)
    assert found.shape == (5, 6)
    np.testing.assert_allclose(found, (windows * kernel).sum(axis=(2, 3)), rtol=1e-12)


def test_colours_count_by_their_brightness():
    green, blue = np.zeros((2, 6, 6, 3))
    green[..., 1], blue[..., 2] = STEP, STEP
    assert filter_image(green, "vertical").max() == pytest.approx(30 * 0.587)
    assert filter_image(blue, "vertical").max() == pytest.approx(30 * 0.114)
    np.testing.assert_array_equal(filter_image(STEP[..., np.newaxis], "sobel vertical")[:, 1], [40] * 4)


def test_edges_are_found_in_a_photograph(tmp_path):
    datasets = pytest.importorskip("sklearn.datasets", reason="the photograph comes with scikit-learn")
    image_module = pytest.importorskip("PIL.Image", reason="reading images needs Pillow")
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    photograph = datasets.load_sample_image("china.jpg")[:120, 200:400]
    response = filter_image(photograph, "sobel vertical")
    assert response.shape == (118, 198)
    assert (response > 100).any() and (response < -100).any()
    # The outline of the roof is far steeper than the sky above it.
    assert np.abs(response[:20]).mean() < np.abs(response[80:]).mean() / 5
    path = filters_picture(tmp_path / "edges.png", photograph)
    with image_module.open(io.BytesIO(path.read_bytes())) as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 20


def test_errors():
    with pytest.raises(ArgumentError, match="no filter 'roberts'; there are vertical, sobel vertical"):
        filter_image(STEP, "roberts")
    with pytest.raises(ShapeError, match=r"image should be \(H, W\), .* not of shape \(6, 6, 2\)"):
        filter_image(np.ones((6, 6, 2)), "vertical")
    with pytest.raises(ShapeError, match=r"kernel should be \(kh, kw\), not of shape \(3,\)"):
        filter_image(STEP, [1, 0, -1])
    with pytest.raises(ShapeError):
        filter_image(STEP[:2], "vertical")
