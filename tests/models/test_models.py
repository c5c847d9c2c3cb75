import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import summary

PARAMETERS = {
    "alexnet": 62_378_344,
    "capsnet": 8_215_568,
    "crnn": 6_619_711,
    "densenet40": 1_019_722,
    "densenet121": 7_978_856,
    "googlenet": 13_378_280,
    "inception-v3": 27_161_264,
    "lenet5": 61_706,
    "mnist-conv": 1_199_882,
    "mnist-conv5": 924_374,
    "mnist-dense-200": 199_210,
    "mnist-dense-1024": 814_090,
    "mnist-densenet": 127_306,
    "mobilenet-v1": 4_231_976,
    "nin": 966_986,
    "plain8": 75_290,
    "plain18": 11_515_688,
    "plain20": 269_722,
    "plain32": 464_154,
    "plain34": 21_623_848,
    "plain44": 658_586,
    "plain56": 853_018,
    "resnet8": 75_290,
    "resnet18": 11_689_512,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet34": 21_797_672,
    "resnet44": 658_586,
    "resnet50": 25_557_032,
    "resnet56": 853_018,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "squeezenet": 1_235_496,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}

# Options that make the larger models small enough for tests that run them.
SMALL = {
    "alexnet": {"input_size": 67},
    "capsnet": {"width": 0.25},
    "crnn": {"width": 0.125, "hidden_size": 16},
    "googlenet": {"stem": "cifar", "width": 0.25},
    "inception-v3": {"input_size": 75, "auxiliary": False},
    "mobilenet-v1": {"width": 0.25},
    "plain18": {"stem": "cifar"},
    "plain34": {"stem": "cifar"},
    "resnet18": {"stem": "cifar"},
    "resnet34": {"stem": "cifar"},
    "resnet50": {"stem": "cifar"},
    "resnet101": {"stem": "cifar"},
    "resnet152": {"stem": "cifar"},
    "squeezenet": {"input_size": 47},
    "vgg16": {"input_size": 32},
    "vgg19": {"input_size": 32},
}

# Models that are drawn layer by layer as their shallower sisters are.
DEEPER = {"vgg19", *(f"plain{depth}" for depth in (34, 44, 56))}
DEEPER |= {f"resnet{depth}" for depth in (34, 44, 56, 101, 152)}

# The tables that Keras printed: type of layer, output shape, parameters.
KERAS_TABLES = {
    "mnist-conv": [
        ("Conv2d", (None, 26, 26, 32), 320),
        ("Conv2d", (None, 24, 24, 64), 18_496),
        ("MaxPool2d", (None, 12, 12, 64), 0),
        ("Dropout", (None, 12, 12, 64), 0),
        ("Flatten", (None, 9216), 0),
        ("Linear", (None, 128), 1_179_776),
        ("Dropout", (None, 128), 0),
        ("Linear", (None, 10), 1_290),
    ],
    "mnist-conv5": [
        ("Conv2d", (None, 24, 24, 64), 1_664),
        ("MaxPool2d", (None, 12, 12, 64), 0),
        ("Flatten", (None, 9216), 0),
        ("Linear", (None, 100), 921_700),
        ("Linear", (None, 10), 1_010),
    ],
    "mnist-dense-200": [
        ("Flatten", (None, 784), 0),
        ("Linear", (None, 200), 157_000),
        ("Dropout", (None, 200), 0),
        ("Linear", (None, 200), 40_200),
        ("Linear", (None, 10), 2_010),
    ],
}


def test_every_model_has_a_documented_number_of_parameters():
    with nn.init.skipped():
        found = {name: models.create(name).num_parameters() for name in models.available()}
    assert found == PARAMETERS


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("resnet18", {"num_classes": 10, "stem": "cifar"}, 11_173_962),
        ("resnet20", {"shortcut": "projection"}, 272_474),
        ("vgg16", {"num_classes": 2, "input_size": 50}, 33_605_442),
    ],
)
def test_variants_have_their_number_of_parameters(name, options, count):
    assert models.create(name, **options).num_parameters() == count


@pytest.mark.parametrize("name", KERAS_TABLES)
def test_summary_equals_the_documented_table(name):
    model = models.create(name)
    table = summary(model, model.input_shape)
    assert [(row.type, row.output_shape, row.parameters) for row in table] == KERAS_TABLES[name]
    assert (table.total_parameters, table.non_trainable_parameters) == (PARAMETERS[name], 0)


@pytest.mark.parametrize("name", PARAMETERS)
def test_forward_gives_logits(name, rng):
    model = models.create(name, num_classes=7, **SMALL.get(name, {})).eval()
    x = rng.random((3, *model.input_shape), dtype=np.float32)
    logits = model(tn.tensor(x))
    assert logits.shape == ((3, 31, 7) if name == "crnn" else (3, 7))
    assert np.isfinite(logits.numpy()).all()
    assert not np.allclose(logits.numpy()[0], logits.numpy()[1])


@pytest.mark.parametrize("name", sorted(PARAMETERS.keys() - DEEPER))
def test_weights_follow_from_the_seed(name):
    states = []
    for seed in (1, 1, 2):
        tn.manual_seed(seed)
        states.append(models.create(name, **SMALL.get(name, {})).state_dict())
    first, again, other = states
    assert all(np.array_equal(first[key].numpy(), again[key].numpy()) for key in first)
    assert any(not np.array_equal(first[key].numpy(), other[key].numpy()) for key in first)


@pytest.mark.parametrize("variant", ["classic", "modern"])
def test_lenet5_has_the_documented_shapes(variant):
    table = summary(models.LeNet5(in_channels=3, variant=variant), (32, 32, 3))
    assert [row.output_shape[1:] for row in table] == [
        (28, 28, 6),
        (14, 14, 6),
        (10, 10, 16),
        (5, 5, 16),
        (400,),
        (120,),
        (84,),
        (10,),
    ]


def test_lenet5_of_28_pixels_sees_the_same_as_of_32_with_a_border(rng):
    tn.manual_seed(0)
    large = models.LeNet5()
    small = models.LeNet5(input_size=28)
    small.load_state_dict(large.state_dict())
    x = rng.random((2, 28, 28, 1), dtype=np.float32)
    bordered = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    np.testing.assert_allclose(small(tn.tensor(x)).numpy(), large(tn.tensor(bordered)).numpy(), atol=1e-6)


def test_lenet5_variants_pool_and_activate_as_documented(rng):
    assert isinstance(models.LeNet5(variant="modern").pool1, nn.MaxPool2d)
    classic = models.LeNet5(variant="classic")
    assert isinstance(classic.pool2, nn.AvgPool2d)
    inputs = []
    classic.dense3.register_forward_hook(lambda _module, given, _output: inputs.append(given[0].numpy()))
    classic(tn.tensor(rng.normal(size=(4, 32, 32, 1)).astype(np.float32)))
    assert (inputs[0] < 0).any()  # ReLU would give none
    assert abs(inputs[0]).max() <= 1


def test_dense_1024_starts_from_wide_cut_off_normal_weights():
    tn.manual_seed(0)
    weight = models.MnistDense1024().dense1.weight.numpy()
    assert abs(weight).max() <= 2
    assert weight.std() == pytest.approx(0.8796, abs=5e-3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"variant": "old"}, "LeNet5: variant should be 'modern' or 'classic', not 'old'"),
        ({"input_size": 30}, "LeNet5: input_size should be 28 or 32, not 30"),
    ],
)
def test_lenet5_refuses_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError) as caught:
        models.LeNet5(**arguments)
    assert str(caught.value) == text


def test_unknown_names_are_refused_with_a_proposal():
    with pytest.raises(ArgumentError, match=r"there is no model 'lenet'; did you mean 'lenet5'\?"):
        models.create("lenet")
    with pytest.raises(ArgumentError, match=r"there is no model 'zzz'; there is .*, lenet5, mnist-conv,"):
        models.create("zzz")
    with pytest.raises(ArgumentError, match=r"lenet5 takes num_classes, .*, but no 'classes'"):
        models.create("lenet5", classes=3)


@pytest.mark.parametrize(
    ("name", "shape", "options", "count"),
    [
        ("vgg16", (50, 50, 3), {"num_classes": 2}, 33_605_442),
        ("lenet5", (28, 28, 3), {}, 61_706 + 2 * 6 * 25),
        ("resnet20", (64, 48, 1), {}, 269_722 - 2 * 16 * 9),
        ("mnist-conv", (28, 28, 1), {}, 1_199_882),
    ],
)
def test_models_are_made_for_a_shape(name, shape, options, count):
    with nn.init.skipped():
        model = models.create_for(name, shape, **options)
    assert model.num_parameters() == count
    assert summary(model, shape).layers[-1].output_shape == (None, options.get("num_classes", 10))


def test_options_come_before_what_a_shape_decides():
    assert models.create_for("lenet5", (28, 28, 1), input_size=32).input_shape == (32, 32, 1)


def test_a_shape_that_a_model_cannot_be_made_for_is_refused():
    with pytest.raises(ArgumentError, match="LeNet5: input_size should be 28 or 32, not 40"):
        models.create_for("lenet5", (40, 40, 1))
    with pytest.raises(ArgumentError, match=r"lenet5 takes num_classes, .*, but no 'classes'"):
        models.create_for("lenet5", (28, 28, 1), classes=3)


def test_errors_name_the_layer():
    with pytest.raises(ArgumentError, match=r"\[conv1\]"):
        models.create("lenet5")(tn.tensor(np.zeros((1, 32, 32, 3), np.float32)))
