import io

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection import dense_product, dense_product_picture, feature_maps_picture, weights_picture
from tinynet.inspection.mosaics import around_zero, mosaic, stretched

PALE_BLUE = (0.78, 0.87, 0.97)


def read(path):
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    with image.open(io.BytesIO(path.read_bytes())) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")) / 255


def share_of(picture, colour):
    return float((np.abs(picture - colour).max(axis=-1) < 0.01).mean())


def test_mosaic_puts_images_row_by_row():
    images = np.arange(5)[:, None, None] / 10 + np.zeros((5, 32, 48))
    sheet = mosaic(images, columns=2)
    assert sheet.shape == (3 * 32 + 2 * 3, 2 * 48 + 3, 3)
    for index in range(5):
        top, left = index // 2 * 35, index % 2 * 51
        np.testing.assert_array_equal(sheet[top : top + 32, left : left + 48], index / 10)
    np.testing.assert_array_equal(sheet[70:, 51:], np.broadcast_to(PALE_BLUE, (32, 48, 3)))
    np.testing.assert_array_equal(sheet[32:35], np.broadcast_to(PALE_BLUE, (3, 99, 3)))


def test_mosaic_enlarges_tiny_images_and_shows_through_nan():
    image = np.array([[0.0, 1.0], [np.nan, 0.5]])
    sheet = mosaic(image[np.newaxis])
    assert sheet.shape == (24, 24, 3)
    np.testing.assert_array_equal(sheet[:12, 12:], 1)
    np.testing.assert_array_equal(sheet[20, 2], PALE_BLUE)
    colours = mosaic(np.ones((1, 30, 30, 3)) * [1, 0, 0])
    np.testing.assert_array_equal(colours[3, 3], [1, 0, 0])


def test_shades_of_weights_have_zero_in_the_middle():
    shades = around_zero([[[-2.0, 0.0, 1.0]], [[0.0, 0.0, 0.0]], [[0.1, 0.2, 0.4]]])
    np.testing.assert_allclose(shades[:, 0], [[0, 0.5, 0.75], [0.5, 0.5, 0.5], [0.625, 0.75, 1]])


def test_stretching_ignores_nan():
    np.testing.assert_array_equal(stretched([[2.0, np.nan, 4.0]]), [[0, np.nan, 1]])
    np.testing.assert_array_equal(stretched(np.full((2, 2), 7.0)), np.zeros((2, 2)))
    assert np.isnan(stretched([np.nan])).all()


def test_product_is_that_of_all_dense_weights(rng):
    model = models.create("mnist-dense-200")
    weights = [
        module.weight.numpy().astype(float) for module in model.modules() if isinstance(module, nn.Linear)
    ]
    assert len(weights) == 3
    np.testing.assert_allclose(dense_product(model), weights[0] @ weights[1] @ weights[2], rtol=1e-12)


def test_product_of_a_linear_network_is_what_it_computes(rng):
    model = nn.Sequential(nn.Linear(6, 4, bias=False), nn.Linear(4, 3, bias=False)).to("float64")
    x = rng.standard_normal((5, 6))
    np.testing.assert_allclose(x @ dense_product(model), model(x).numpy(), rtol=1e-12)


def test_products_that_do_not_exist_are_refused():
    with pytest.raises(ArgumentError, match="Conv2d has no dense layer"):
        dense_product(nn.Conv2d(1, 1, 1))
    with pytest.raises(ShapeError, match="layer '1' takes 4 numbers, but the layer before it gives 2"):
        dense_product(nn.Sequential(nn.Linear(4, 2), nn.Linear(4, 2)))


class TestPictures:
    @pytest.fixture(autouse=True)
    def needs_matplotlib(self):
        pytest.importorskip("matplotlib", reason="pictures need matplotlib")

    def test_network_sees_a_bright_spot_where_its_weight_is(self, tmp_path):
        model = nn.Linear(16, 2, bias=False)
        model.weight.data[...] = 0
        model.weight.data[5, 0] = 1  # row 1, column 1 of 4 × 4
        picture = read(dense_product_picture(tmp_path / "seen.png", model, (4, 4), ["spot", "nothing"]))
        greys = share_of(picture, (0.5, 0.5, 0.5))
        whites = share_of(picture[picture.shape[0] // 3 :], (1, 1, 1))
        assert greys > 0.5
        model.weight.data[...] = 0
        empty = read(
            dense_product_picture(tmp_path / "new" / "empty.png", model, (4, 4, 1), ["spot", "nothing"])
        )
        assert share_of(empty, (0.5, 0.5, 0.5)) > greys
        assert share_of(empty[picture.shape[0] // 3 :], (1, 1, 1)) < whites

    def test_filters_for_colours_are_coloured_and_others_grey(self, tmp_path, rng):
        red = np.zeros((3, 3, 3, 4))
        red[:, :, 0] = 1
        picture = read(weights_picture(tmp_path / "red.png", red))
        assert share_of(picture, (1, 0.5, 0.5)) > 0.5
        grey = read(weights_picture(tmp_path / "grey.png", rng.random((3, 3, 2, 4))))
        inside = grey[np.abs(grey - PALE_BLUE).max(axis=-1) > 0.1]
        assert np.ptp(inside, axis=-1).mean() < 0.02

    def test_each_filter_has_a_row_of_its_channels(self, tmp_path):
        wide = read(weights_picture(tmp_path / "wide.png", np.ones((3, 3, 8, 2))))
        tall = read(weights_picture(tmp_path / "tall.png", np.ones((3, 3, 2, 8))))
        assert wide.shape[1] > 3 * wide.shape[0]
        assert tall.shape[0] > 3 * tall.shape[1]

    def test_dense_weights_need_the_shape_of_their_inputs(self, tmp_path):
        path = weights_picture(tmp_path / "dense.png", tn.tensor(np.ones((12, 5))), (2, 2, 3))
        assert share_of(read(path), (1, 1, 1)) > 0.5
        with pytest.raises(
            ShapeError, match=r"of shape \(12, 5\) need an image_shape of 12 numbers, not \(3, 3\)"
        ):
            weights_picture(tmp_path / "no.png", np.ones((12, 5)), (3, 3))
        with pytest.raises(ShapeError, match=r"not of shape \(5,\)"):
            weights_picture(tmp_path / "no.png", np.ones(5))
        with pytest.raises(
            ShapeError, match=r"\(N, H, W, 1\) or \(N, H, W, 3\), not of shape \(2, 2, 2, 2\)"
        ):
            dense_product_picture(tmp_path / "no.png", nn.Linear(8, 2), (2, 2, 2))
        assert [entry.name for entry in tmp_path.iterdir()] == ["dense.png"]

    def test_feature_maps_of_several_layers(self, tmp_path, rng):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        image = rng.random((12, 12, 3))
        one = read(feature_maps_picture(tmp_path / "one.png", model, image, ["1"]))
        two = read(feature_maps_picture(tmp_path / "two.png", model, image, ["1", "2"]))
        assert two.shape[1] > 1.8 * one.shape[1] and two.shape[0] == one.shape[0]
        with pytest.raises(ShapeError, match=r"layer '3' gives shape \(1, 100\), not \(N, H, W, C\)"):
            feature_maps_picture(tmp_path / "no.png", model, image, ["3"])
        with pytest.raises(ShapeError, match=r"image should be \(H, W, C\), not of shape \(12, 12\)"):
            feature_maps_picture(tmp_path / "no.png", model, image[..., 0], ["1"])
