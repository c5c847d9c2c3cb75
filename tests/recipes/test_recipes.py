import numpy as np
import pytest

import tinynet as tn
from tinynet import recipes
from tinynet.errors import ArgumentError
from tinynet.recipes import data as data_sets
from tinynet.recipes.mnist import DENSE_1024

DOCUMENTED = {
    "lenet5": ("mnist", 61_706, 0.99),
    "mnist-dense-1024": ("mnist", 814_090, 0.920),
    "mnist-dense-200": ("mnist", 199_210, 0.9826),
    "mnist-conv": ("mnist", 1_199_882, 0.9906),
    "mnist-conv5": ("mnist", 924_374, 0.9890),
    "mnist-densenet": ("mnist", None, 0.993),
    "capsnet": ("mnist", 2_117_072, 0.9909),
    "nin": ("cifar10", 966_986, 0.9119),
    "googlenet": ("cifar10", None, None),
    "resnet20": ("cifar10", 269_722, 0.9125),
    "plain20": ("cifar10", 269_722, None),
    "vgg16-cats-dogs": ("cats-dogs", 33_605_442, 0.7838),
    "mobilenet-cats-dogs": ("cats-dogs-96", None, None),
}
FULL_PARAMETERS = {"capsnet": 8_215_568}
TRAININGS = [name for name in recipes.available() if isinstance(recipes.get(name), recipes.Recipe)]


@pytest.mark.parametrize("name", TRAININGS)
def test_recipe_states_the_documented_figures_for_its_documented_data(name):
    data, parameters, accuracy = DOCUMENTED[name]
    for full in (False, True):
        recipe = recipes.get(name).sized(full)
        figures = {figure.quantity: figure.value for figure in recipe.figures_for(data)}
        assert figures.get("parameters") == (FULL_PARAMETERS.get(name, parameters) if full else parameters)
        assert figures.get("test_accuracy") == accuracy
        assert data in recipe.settings
        assert "test_accuracy" not in {f.quantity for f in recipe.figures_for("any other")}


@pytest.mark.parametrize("name", TRAININGS)
def test_model_fits_every_data_set_of_its_recipe(name, small_sets):
    recipe = recipes.get(name)
    for data_name in recipe.settings:
        data = data_sets.load(data_name)
        images = recipe.pixels.prepare(data.test.images[:2])
        model = recipe.model(images.shape[1:], len(data.class_names)).eval()
        assert model.num_parameters() == DOCUMENTED[name][1] or DOCUMENTED[name][1] is None
        assert model(tn.tensor(images)).shape == (2, len(data.class_names))


def test_full_size_is_the_documented_training():
    small, full = (recipes.get("googlenet").sized(size) for size in (False, True))
    assert full.model((32, 32, 3), 10).num_parameters() > 10 * small.model((32, 32, 3), 10).num_parameters()
    assert recipes.get("capsnet").sized(True).model((28, 28, 1), 10).num_parameters() == 8_215_568
    assert recipes.get("resnet20").sized(True).settings["cifar10"].epochs == 164
    assert recipes.get("lenet5").sized(True) is recipes.get("lenet5")


def test_dense_1024_is_trained_for_6001_steps():
    assert DENSE_1024.settings["mnist"].epochs * DENSE_1024.steps_per_epoch == 6001


def test_dense_1024_penalises_half_the_squares_of_both_weights():
    model = DENSE_1024.model((28, 28, 1), 10)
    expected = sum(0.05 / 2 * (layer.weight.numpy() ** 2).sum() for layer in (model.dense1, model.dense2))
    assert DENSE_1024.regularizer(model).item() == pytest.approx(expected, rel=1e-5)


def test_figures_are_reached_as_finely_as_they_are_printed():
    accuracy = recipes.Figure("test_accuracy", 0.9906, "a document")
    assert accuracy.is_reached(0.99056)
    assert not accuracy.is_reached(0.9905)
    error = recipes.Figure("ratio", 0.5, "a document", goal="at most")
    assert error.is_reached(0.5)
    assert not error.is_reached(0.51)
    parameters = recipes.Figure("parameters", 10, "a document")
    assert parameters.is_reached(10)
    assert not parameters.is_reached(11)


def test_unknown_names_are_refused_with_a_proposal():
    with pytest.raises(ArgumentError, match="there is no recipe 'mnist-conv4'; did you mean 'mnist-conv"):
        recipes.get("mnist-conv4")
    with pytest.raises(ArgumentError, match="there is no data set 'digit'; did you mean 'digits'"):
        data_sets.load("digit")


def test_held_out_images_are_no_longer_among_the_others(small_sets):
    whole = data_sets.load("digits").train
    rest, held_out = data_sets.hold_out(whole, 20, seed=3)
    assert (len(rest), len(held_out)) == (76, 20)
    joined = np.concatenate([held_out.images, rest.images])
    assert len(np.unique(joined.reshape(96, -1), axis=0)) == 96
    again = data_sets.hold_out(whole, 20, seed=3)[1]
    np.testing.assert_array_equal(again.images, held_out.images)
    assert not np.array_equal(data_sets.hold_out(whole, 20, seed=4)[1].images, held_out.images)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (recipes.Pixels(), [0.5, 1.0, 0.0]),
        (recipes.Pixels(largest=255), [127.5, 255.0, 0.0]),
        (recipes.Pixels(mean=(0.5, 0.5, 0.25), deviation=(1.0, 0.5, 0.25)), [0.0, 1.0, -1.0]),
    ],
)
def test_pixels_are_prepared_and_restored(pixels, expected):
    images = np.broadcast_to(np.float32([0.5, 1.0, 0.0]), (2, 4, 4, 3))
    prepared = pixels.prepare(images)
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared[1, 3, 2], expected)
    np.testing.assert_allclose(pixels.restore(prepared), images, atol=1e-6)


def test_digits_are_enlarged_to_the_input_of_lenet5():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    data = data_sets.load("digits")
    assert data.train.images.shape == (1438, 32, 32, 1)
    assert len(data.test) == 359
