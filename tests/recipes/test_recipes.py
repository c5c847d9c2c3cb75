import numpy as np
import pytest

import tinynet as tn
from tinynet import recipes
from tinynet.errors import ArgumentError
from tinynet.recipes import data as data_sets
from tinynet.recipes.mnist import DENSE_1024

DOCUMENTED = {
    "lenet5": (61_706, None),
    "mnist-dense-1024": (814_090, 0.920),
    "mnist-dense-200": (199_210, 0.9826),
    "mnist-conv": (1_199_882, 0.9906),
    "mnist-conv5": (924_374, 0.9890),
}


@pytest.mark.parametrize("name", recipes.available())
def test_recipe_states_the_documented_figures_for_its_documented_data(name):
    recipe = recipes.get(name)
    figures = {figure.quantity: figure.value for figure in recipe.figures_for("mnist")}
    parameters, accuracy = DOCUMENTED[name]
    assert figures["parameters"] == parameters
    assert figures.get("test_accuracy") == accuracy
    assert recipe.figures_for("fashion-mnist")[-1].quantity == "parameters"


@pytest.mark.parametrize("name", recipes.available())
def test_model_fits_every_data_set_of_its_recipe(name, small_sets):
    recipe = recipes.get(name)
    for data_name in recipe.settings:
        images = data_sets.load(data_name).test.images[:2]
        model = recipe.model(images.shape[1:], 10)
        assert model.num_parameters() == DOCUMENTED[name][0]
        assert model(tn.tensor(images)).shape == (2, 10)


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


def test_pixels_can_go_up_to_255(small_sets):
    plain, scaled = data_sets.load("mnist").test.images, data_sets.load("mnist", 255).test.images
    np.testing.assert_allclose(scaled, plain * 255, rtol=1e-6)
    assert scaled.dtype == np.float32


def test_digits_are_enlarged_to_the_input_of_lenet5():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    data = data_sets.load("digits")
    assert data.train.images.shape == (1438, 32, 32, 1)
    assert len(data.test) == 359
