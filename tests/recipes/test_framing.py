import numpy as np
import pytest

from tinynet.recipes.framing import Framing, frame_image

FRAMING = Framing(size=28, margin=4)


def cross(height=60, width=40):
    """A light cross that fills its picture."""
    picture = np.zeros((height, width))
    picture[:, width // 2 - 4 : width // 2 + 4] = 1
    picture[height // 2 - 4 : height // 2 + 4] = 1
    return picture


def placed(picture, shape, top, left):
    page = np.zeros(shape)
    page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return page


def framed(picture, size=(28, 28)):
    return frame_image(picture, FRAMING, size)


def test_ink_fills_the_frame_up_to_the_margin():
    image = framed(placed(cross(), (200, 300), 20, 200))
    assert image.shape == (28, 28, 1)
    assert image.dtype == np.float32
    rows, columns = (np.flatnonzero(image[..., 0].max(axis=axis) > 0.1) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (4, 23)
    assert len(columns) == pytest.approx(20 * 40 / 60, abs=1)  # proportions are kept
    assert columns.mean() == pytest.approx(13.5, abs=0.5)
    assert image.max() == pytest.approx(1, abs=0.05)


def test_place_on_the_page_does_not_matter():
    first = framed(placed(cross(), (200, 200), 10, 20))
    second = framed(placed(cross(), (200, 200), 110, 140))
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_dark_on_light_is_inverted():
    page = placed(cross(), (200, 200), 50, 60)
    np.testing.assert_allclose(framed(0.9 - 0.6 * page), framed(page), atol=1e-5)


def test_noise_of_a_camera_is_not_taken_for_ink(rng):
    page = placed(cross(240, 160), (640, 480), 100, 200)
    noisy = 0.9 - 0.7 * page + rng.normal(0, 0.03, page.shape)
    for axis in (0, 1):
        found, expected = (
            np.flatnonzero(framed(picture)[..., 0].max(axis=axis) > 0.5) for picture in (noisy, page)
        )
        assert abs(found[[0, -1]] - expected[[0, -1]]).max() <= 1


def test_centre_of_mass_comes_to_the_middle():
    picture = np.zeros((60, 40))
    picture[:, :8] = 1
    picture[26:34] = 0.5  # a thin arm to the right
    image = framed(placed(picture, (200, 200), 30, 30))[..., 0]
    columns = image.sum(axis=0) @ (np.arange(28) + 0.5) / image.sum()
    assert columns == pytest.approx(14, abs=0.6)


def test_an_image_can_be_enlarged_after_framing():
    assert frame_image(cross(), Framing(size=8), (32, 32)).shape == (32, 32, 1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (28, 28)])
@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_empty_pages_of_any_shape_give_an_empty_image(shape, value):
    np.testing.assert_array_equal(framed(np.full(shape, value)), np.zeros((28, 28, 1)))


def test_mean_brightness_survives_the_reduction():
    stripes = np.zeros((560, 560))
    stripes[::2] = 1
    stripes[0] = stripes[-1] = 0
    image = frame_image(stripes, Framing(size=28), (28, 28))
    np.testing.assert_allclose(image[2:-2], image[2:-2].mean(), atol=0.15)


def test_the_picture_is_left_as_it_is():
    page = placed(cross(), (100, 100), 10, 10)
    before = page.copy()
    framed(page)
    np.testing.assert_array_equal(page, before)
