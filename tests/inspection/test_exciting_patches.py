import numpy as np
import pytest

from tinynet import nn
from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection import exciting_patches, exciting_patches_picture


@pytest.fixture
def corner_finder():
    """Unit 0 of layer "1" looks for a bright pixel, unit 1 for a dark one, each in a field of 4 × 4."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(2))
    model[0].weight.data[...] = 0
    model[0].weight.data[1, 1, 0] = 1, -1
    return model


def by_loops(output, unit, count):
    """For each image its best position; of those the best images."""
    best = []
    for number, image in enumerate(output[..., unit]):
        position = np.unravel_index(image.argmax(), image.shape)
        best.append((-image[position], number, position))
    return sorted(best)[:count]


@pytest.mark.parametrize("batch_size", [3, 64])
def test_patches_are_those_of_a_plain_search(corner_finder, rng, batch_size):
    images = rng.random((20, 8, 10, 1)).astype(np.float32)
    output = corner_finder(images).numpy()
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    for found in exciting_patches(corner_finder, images, "1", [1, 0], count=5, batch_size=batch_size):
        expected = by_loops(output, found.unit, 5)
        assert found.patches.shape == (5, 4, 4, 1)
        for index, (value, number, (row, column)) in enumerate(expected):
            assert found.values[index] == -value
            assert found.images[index] == number
            assert tuple(found.positions[index]) == (row, column)
            patch = padded[number, 2 * row : 2 * row + 4, 2 * column : 2 * column + 4]
            np.testing.assert_array_equal(found.patches[index], patch)


def test_what_a_unit_looks_for_is_in_the_middle(corner_finder):
    images = np.full((12, 8, 8, 1), 0.5, np.float32)
    for number in range(3):
        images[number, 3, 3 + number] = 1.0
    found, _ = exciting_patches(corner_finder, images, "1", [0, 1], count=3)
    assert sorted(found.images) == [0, 1, 2]
    np.testing.assert_array_equal(found.values, [1, 1, 1])
    assert all(patch[1:3, 1:3].max() == 1 for patch in found.patches)


def test_units_that_see_everything_show_whole_images(rng):
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    images = rng.integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
    (found,) = exciting_patches(model, images, "1", [2], count=9)
    output = model(images.astype(np.float32) / np.float32(255)).numpy()[:, 2]
    np.testing.assert_array_equal(found.images, np.argsort(-output))
    np.testing.assert_array_equal(found.patches, images[found.images])
    assert found.positions.shape == (6, 0)


def test_picture_has_a_block_for_each_unit(corner_finder, rng, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    found = exciting_patches(corner_finder, rng.random((9, 8, 8, 1)), "1", [0, 1])
    sizes = []
    for number in (1, 2):
        with image.open(exciting_patches_picture(tmp_path / f"{number}.png", found[:number])) as picture:
            sizes.append(picture.size)
    assert sizes[1][0] > 1.8 * sizes[0][0] and sizes[1][1] == sizes[0][1]


def test_wrong_arguments_are_refused(corner_finder, tmp_path):
    images = np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(ArgumentError, match="layer '1' has units 0 to 1, but no unit 2"):
        exciting_patches(corner_finder, images, "1", [2])
    with pytest.raises(ShapeError, match=r"images should be \(N, H, W, C\), not of shape \(2, 8, 8\)"):
        exciting_patches(corner_finder, images[..., 0], "1", [0])
    two = nn.Sequential(nn.Conv2d(2, 1, 1))
    found = exciting_patches(two, np.zeros((2, 8, 8, 2)), "0", [0])
    with pytest.raises(ShapeError, match=r"\(N, H, W, 1\) or \(N, H, W, 3\), not of shape \(2, 1, 1, 2\)"):
        exciting_patches_picture(tmp_path / "two.png", found)


def test_patches_are_cut_out_of_what_people_see(corner_finder, rng):
    images = rng.normal(size=(9, 8, 8, 1)).astype(np.float32)
    colours = rng.random((9, 8, 8, 3))
    (seen,) = exciting_patches(corner_finder, images, "0", [0], count=3)
    (shown,) = exciting_patches(corner_finder, images, "0", [0], count=3, shown=colours)
    np.testing.assert_array_equal(shown.positions, seen.positions)
    for patch, number, (row, column) in zip(shown.patches, shown.images, shown.positions, strict=True):
        inside = ~np.isnan(patch).any(axis=-1)
        padded = np.pad(colours[number], ((1, 1), (1, 1), (0, 0)))
        np.testing.assert_array_equal(
            patch[inside], padded[row : row + 3, column : column + 3].astype(patch.dtype)[inside]
        )
    with pytest.raises(ShapeError, match=r"shown should have the N, H and W of images, \(9, 8, 8, 1\)"):
        exciting_patches(corner_finder, images, "0", [0], shown=colours[:, :4])
