import io

import numpy as np
import pytest

from tinynet.data.augmentation import RandomColorShift
from tinynet.errors import ArgumentError, DTypeError, ShapeError
from tinynet.inspection.augmentations import augmentation_picture, usual_augmentations

pytest.importorskip("matplotlib", reason="pictures need matplotlib")
Image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")


def pixels(path):
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def red_area(picture):
    return int((picture[..., 0] - picture[..., 1] > 100).sum())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_all_usual_augmentations_are_drawn(tmp_path, rng, channels, dtype):
    image = rng.integers(0, 256, (10, 12, channels), dtype=np.uint8)
    image = image if dtype == np.uint8 else (image / 255).astype(dtype)
    names = usual_augmentations(image[np.newaxis])
    assert {"mirror", "rotation", "shear", "local warping", "colour shift", "erasing"} < set(names)
    assert pixels(augmentation_picture(tmp_path / "new" / "sheet.png", image, samples=2)).std() > 10


def test_every_row_shows_the_original_and_as_many_samples_as_asked_for(tmp_path):
    def red(x, rng):
        return np.broadcast_to(np.array([255, 0, 0], np.uint8), x.shape)

    black = np.zeros((8, 8, 3), np.uint8)
    one = pixels(augmentation_picture(tmp_path / "one.png", black, {"red": red}, samples=1))
    three = pixels(augmentation_picture(tmp_path / "three.png", black, {"red": red}, samples=3))
    rows = pixels(augmentation_picture(tmp_path / "rows.png", black, {"red": red, "too": red}, samples=3))
    assert red_area(three) == pytest.approx(3 * red_area(one), rel=0.1)
    assert red_area(rows) == pytest.approx(2 * red_area(three), rel=0.1)


def test_the_seed_determines_the_picture(tmp_path, rng):
    image, shift = rng.random((6, 6, 3)), {"shift": RandomColorShift(0.5)}
    first, again, other = (
        pixels(augmentation_picture(tmp_path / "sheet.png", image, shift, samples=2, seed=seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_what_cannot_be_drawn_is_refused(tmp_path):
    path = tmp_path / "sheet.png"
    with pytest.raises(ShapeError, match=r"images should be \(N, H, W, 1\) or \(N, H, W, 3\), not of shape"):
        augmentation_picture(path, np.zeros((4, 4, 2)))
    with pytest.raises(DTypeError, match="image should be uint8 or floating-point, not int64"):
        augmentation_picture(path, np.zeros((4, 4, 1), np.int64))
    with pytest.raises(ArgumentError, match="at least one augmentation and one sample"):
        augmentation_picture(path, np.zeros((4, 4, 1)), {})
    assert not path.exists()
