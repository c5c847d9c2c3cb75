"""The table of layers: shapes, parameters, multiply-adds, and that the model is left as it was."""

import tracemalloc

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import models, nn
from tinynet.errors import ArgumentError, ShapeError
from tinynet.nn.summary import summarize
from tinynet_kernels import memory


def mnist_network():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def test_the_documented_mnist_network_layer_by_layer():
    table = summarize(mnist_network(), (28, 28, 1))
    rows = [(row.type, row.output_shape, row.parameters) for row in table if row.type != "ReLU"]
    assert rows == [
        ("Conv2d", (None, 26, 26, 32), 320),
        ("Conv2d", (None, 24, 24, 64), 18_496),
        ("MaxPool2d", (None, 12, 12, 64), 0),
        ("Dropout", (None, 12, 12, 64), 0),
        ("Flatten", (None, 9216), 0),
        ("Linear", (None, 128), 1_179_776),
        ("Dropout", (None, 128), 0),
        ("Linear", (None, 10), 1290),
    ]
    assert table.total_parameters == table.trainable_parameters == 1_199_882
    assert table.non_trainable_parameters == 0
    assert table.layers[0].multiply_adds == 26 * 26 * 32 * 9
    assert table.layers[0].activation_bytes == 26 * 26 * 32 * 4


def test_the_printed_table():
    text = str(summarize(nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Flatten()), (28, 28, 1)))
    lines = text.splitlines()
    assert lines[0] == "Sequential"
    assert set(lines[1]) == set(lines[3]) == set(lines[7]) == {"─"}
    assert lines[2].split("  ")[0] == "Layer (type)"
    assert [
        heading in lines[2] for heading in ("Output shape", "Params", "Multiply-adds", "Activation memory")
    ]
    assert lines[4].split() == [
        "0",
        "(Conv2d)",
        "(None,",
        "26,",
        "26,",
        "32)",
        "320",
        "194,688",
        "84.5",
        "KiB",
    ]
    assert lines[8:] == [
        "Total params: 320",
        "Trainable params: 320",
        "Non-trainable params: 0",
        "Multiply-adds per sample: 194,688",
        "Activation memory per sample: 84.5 KiB",
    ]


def test_lenet5_has_61706_parameters():
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )
    assert summarize(model, (32, 32, 1)).total_parameters == 61_706


def test_the_bottleneck_saves_nine_tenths_of_the_multiply_adds():
    direct = summarize(nn.Conv2d(192, 32, 5, padding="same"), (28, 28, 192))
    assert direct.multiply_adds == 28 * 28 * 32 * 5 * 5 * 192 == 120_422_400
    bottleneck = nn.Sequential(nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding="same"))
    assert [row.multiply_adds for row in summarize(bottleneck, (28, 28, 192))] == [2_408_448, 10_035_200]
    assert summarize(bottleneck, (28, 28, 192)).multiply_adds == 12_443_648


@pytest.mark.parametrize(
    ("layer", "shape", "multiply_adds"),
    [
        (nn.Linear(3, 5), (3,), 15),
        (nn.Linear(3, 5), (7, 3), 7 * 15),
        (nn.Conv1d(4, 6, 3), (10, 4), 8 * 3 * 4 * 6),
        (nn.Conv2d(4, 6, 3, groups=2), (5, 5, 4), 9 * 9 * 2 * 6),
        (nn.Conv2d(4, 4, 3, groups=4), (5, 5, 4), 9 * 9 * 4),
        (nn.Conv3d(2, 3, 2), (3, 3, 3, 2), 8 * 8 * 2 * 3),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (5, 5, 4), 25 * 9 * 4 * 6),
        (nn.ReLU(), (5,), 0),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 3])
def test_multiply_adds(layer, shape, multiply_adds, batch_size):
    table = summarize(layer, shape, batch_size=batch_size)
    assert table.multiply_adds == multiply_adds
    assert table.layers[0].name == ""
    assert table.layers[0].title == type(layer).__name__


def test_running_statistics_count_as_not_trainable():
    table = summarize(nn.BatchNorm2d(8), (4, 4, 8))
    assert (table.total_parameters, table.trainable_parameters, table.non_trainable_parameters) == (
        32,
        16,
        16,
    )
    assert (table.layers[0].parameters, table.layers[0].trainable_parameters) == (32, 16)


def test_frozen_parameters_count_as_not_trainable():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].freeze()
    table = summarize(model, (3,))
    assert (table.trainable_parameters, table.non_trainable_parameters) == (10, 16)


class Twice(nn.Module):
    """A module that uses a layer twice and holds a parameter of its own."""

    def __init__(self):
        self.layer = nn.Linear(4, 4)
        self.scale = nn.Parameter(np.ones(4, np.float32))

    def forward(self, x):
        return self.layer(self.layer(x)) * self.scale


def test_shared_layers_appear_twice_and_count_once():
    table = summarize(nn.Sequential({"twice": Twice()}), (4,))
    assert [(row.name, row.parameters, row.multiply_adds) for row in table] == [
        ("twice.layer", 20, 16),
        ("twice.layer", 0, 16),
    ]
    assert table.total_parameters == 24


class TwoInputs(nn.Module):
    def __init__(self):
        self.split = nn.Lambda(lambda x: (x[:, :1] + 1, x[:, 1:] + 1))

    def forward(self, x, y):
        return self.split(F.concatenate([x, y], axis=1))


def test_several_inputs_and_outputs():
    table = summarize(TwoInputs(), [(2,), (3,)])
    assert table.layers[0].output_shape == [(None, 1), (None, 4)]
    assert "(None, 1), (None, 4)" in str(table)
    assert table.activation_bytes == 20


def test_models_that_start_with_an_embedding():
    table = summarize(nn.Sequential(nn.Embedding(10, 4), nn.Linear(4, 2)), (7,), dtype="int64")
    assert [row.output_shape for row in table] == [(None, 7, 4), (None, 7, 2)]


class Noisy(nn.Module):
    def forward(self, x):
        return x + tn.default_generator().normal(x.shape)


def test_the_model_and_the_generator_are_left_as_they_were():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), Noisy())
    model[2].eval()
    flags = [module.training for module in model.modules()]
    state = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    tn.manual_seed(3)
    expected = tn.default_generator().uniform((3,))
    tn.manual_seed(3)
    summarize(model, (4,), batch_size=5)
    np.testing.assert_array_equal(tn.default_generator().uniform((3,)), expected)
    assert [module.training for module in model.modules()] == flags
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), state[name])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_hooks_and_flags_are_put_back_after_an_error():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 2))
    with pytest.raises(ShapeError, match=r"linear: .* \[1\]"):
        summarize(model, (4,))
    assert all(not module._forward_hooks and module.training for module in model.modules())


@pytest.mark.parametrize("shape", [3, "abc", (2, -1), (2.5,), [(2,), (-1,)]])
def test_what_is_no_shape(shape):
    with pytest.raises(ArgumentError, match="summarize: input_shape must be the sizes of one sample"):
        summarize(nn.ReLU(), shape)


def test_a_deep_network_takes_no_memory_and_no_samples():
    with nn.init.skipped():
        model = models.ResNet152()
    seen = []
    model.stem.register_forward_hook(lambda _module, given, _output: seen.append(given[0].shape))
    fresh = memory.statistics().fresh
    tracemalloc.start()
    try:
        table = summarize(model, (224, 224, 3))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(seen) == {(0, 224, 224, 3)}
    assert memory.statistics().fresh == fresh
    assert table.activation_bytes > 180e6 > 20 * peak
    assert table.layers[-1].output_shape == (None, 1000)


def test_views_and_what_is_computed_in_place_take_no_memory():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Tanh(), nn.ReLU()
    )
    # The first ReLU is computed by the batch norm, in inference dropout gives its input, flattening a view.
    expected = [32, 32, 0, 0, 0, 32, 32]
    for batch_size in (None, 2):
        table = summarize(model, (4, 4, 1), batch_size=batch_size)
        assert [row.activation_bytes // 4 for row in table] == [number // 4 for number in expected]


class TimeFirst(nn.Module):
    """Puts time in front, so that the batch axis is the second one."""

    def forward(self, x):
        return x.transpose(1, 0, 2)


class NeedsSamples(nn.Module):
    """Fails on an empty batch, whose largest number does not exist."""

    def forward(self, x):
        return x / x.data.max(initial=None)


def test_models_that_cannot_take_an_empty_batch_get_one_sample():
    table = summarize(nn.Sequential(nn.Linear(3, 2), TimeFirst()), (5, 3))
    assert [row.output_shape for row in table] == [(None, 5, 2), (None, 1, 2)]
    assert table.multiply_adds == 30
    model = nn.Sequential(NeedsSamples(), nn.Linear(3, 2))
    with np.errstate(invalid="ignore"):
        assert summarize(model, (3,)).multiply_adds == 6


class TimeInTheBatch(nn.Module):
    """A dense layer for every step of a sequence, (N, T, C) → (N · T, 2)."""

    def __init__(self):
        self.dense = nn.Linear(3, 2)

    def forward(self, x):
        return self.dense(x.reshape(-1, 3))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_axes_that_are_merged_with_that_of_the_batch_are_seen_with_samples(batch_size):
    table = summarize(TimeInTheBatch(), (5, 3), batch_size=batch_size)
    assert (table.multiply_adds, table.activation_bytes) == (30, 40)


def test_what_is_no_batch_size():
    with pytest.raises(ArgumentError, match="summarize: batch_size must be an integer of at least 1, not 0"):
        summarize(nn.ReLU(), (3,), batch_size=0)


def test_summary_method_prints_and_returns(capsys):
    table = nn.Linear(3, 2).summary((3,))
    assert capsys.readouterr().out == f"{table}\n"
    assert len(table) == 1
