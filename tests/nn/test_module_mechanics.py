"""`Module`: registration, names, state, hooks, modes, containers, error paths."""

import copy

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn
from tinynet.errors import ArgumentError, CheckpointError, ShapeError


class Residual(nn.Module):
    def __init__(self, features):
        self.inner = nn.Linear(features, features)
        self.scale = nn.Parameter(np.ones(features, np.float32))
        self.register_buffer("calls", np.zeros((), np.int64))
        self.register_buffer("scratch", np.zeros(2, np.float32), persistent=False)

    def forward(self, x):
        return x + self.scale * F.relu(self.inner(x))


def network():
    return nn.Sequential({"stem": nn.Linear(4, 3), "body": nn.Sequential(Residual(3), nn.ReLU())})


def test_names_of_parameters_buffers_and_modules():
    model = network()
    assert [name for name, _ in model.named_parameters()] == [
        "stem.weight",
        "stem.bias",
        "body.0.scale",
        "body.0.inner.weight",
        "body.0.inner.bias",
    ]
    assert [name for name, _ in model.named_buffers()] == ["body.0.calls", "body.0.scratch"]
    assert [name for name, _ in model.named_modules()] == [
        "",
        "stem",
        "body",
        "body.0",
        "body.0.inner",
        "body.1",
    ]
    assert [name for name, _ in model.named_children()] == ["stem", "body"]
    assert list(model.state_dict()) == [
        "stem.weight",
        "stem.bias",
        "body.0.scale",
        "body.0.inner.weight",
        "body.0.inner.bias",
        "body.0.calls",
    ]
    assert model.num_parameters() == 12 + 3 + 3 + 9 + 3


def test_replaced_and_deleted_attributes_are_forgotten():
    model = network()
    model.stem = nn.Linear(4, 3, bias=False)
    del model.body
    assert [name for name, _ in model.named_parameters()] == ["stem.weight"]


def test_shared_modules_and_parameters_count_once():
    shared = nn.Linear(3, 3)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    assert len(list(model.parameters())) == 2
    tied = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    tied[1].weight = tied[0].weight
    assert model.num_parameters() == 12
    assert [name for name, _ in tied.named_parameters()] == ["0.weight"]


def test_modules_in_plain_lists_are_refused():
    model = nn.Module()
    with pytest.raises(ArgumentError, match=r"Module\.layers: modules and parameters inside a list"):
        model.layers = [nn.ReLU()]
    with pytest.raises(ArgumentError, match=r"inside a dict .* use nn\.ModuleList, nn\.ModuleDict"):
        model.layers = {"a": nn.ReLU()}


def test_state_dict_round_trip():
    source, target = network(), network()
    assert target.load_state_dict(source.state_dict()) == ([], [])
    for (name, one), (_, other) in zip(source.state_dict().items(), target.state_dict().items(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=name)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(source(x).numpy(), target(x).numpy())


def test_state_dict_shares_data():
    layer = nn.Linear(2, 2)
    layer.state_dict()["weight"].data[...] = 5
    assert (layer.weight.data == 5).all()


def test_strict_loading_reports_everything_and_loads_nothing():
    model = network()
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    del state["stem.bias"]
    state["head.weight"] = np.zeros((2, 2), np.float32)
    state["body.0.scale"] = np.zeros(7, np.float32)
    state["body.0.calls"] = np.array(0.5)
    with pytest.raises(CheckpointError) as caught:
        model.load_state_dict(state)
    text = str(caught.value)
    assert "do not fit Sequential, nothing was loaded" in text
    assert "missing: stem.bias (3,)" in text
    assert "not expected: head.weight (2, 2)" in text
    assert "shape: body.0.scale is (7,) in the file but (3,) in the model" in text
    assert "dtype: body.0.calls is float64 in the file but int64 in the model" in text
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])


def test_loose_loading_tells_what_was_left_out():
    model = nn.Linear(2, 3)
    missing, surplus = model.load_state_dict({"weight": np.ones((2, 3)), "other": np.ones(1)}, strict=False)
    assert (missing, surplus) == (["bias"], ["other"])
    assert model.weight.dtype == np.float32
    assert (model.weight.data == 1).all()


def test_frozen_modules_get_no_gradient():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].freeze()
    model(np.ones((5, 3), np.float32)).sum().backward()
    assert model[0].weight.grad is None
    assert model[1].weight.grad is not None
    assert model.num_parameters(trainable_only=True) == 10
    model[0].unfreeze()
    model(np.ones((5, 3), np.float32)).sum().backward()
    assert model[0].weight.grad is not None


def test_zero_grad_forgets_gradients():
    model = nn.Linear(3, 4)
    model(np.ones((5, 3), np.float32)).sum().backward()
    model.zero_grad()
    assert model.weight.grad is None
    assert model.bias.grad is None


def test_forward_hooks_see_and_replace():
    layer, seen = nn.Identity(), []
    remove = layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs, output)))
    remove_doubling = layer.register_forward_hook(lambda module, inputs, output: output * 2)
    x = tn.tensor([1.0, 2.0])
    assert layer(x).tolist() == [2, 4]
    assert seen == [(layer, (x,), x)]
    remove()
    remove_doubling()
    assert layer(x).tolist() == [1, 2]
    assert len(seen) == 1
    remove()


def test_forward_pre_hooks_replace_inputs():
    layer = nn.Identity()
    remove = layer.register_forward_pre_hook(lambda module, inputs: inputs[0] + 1)
    assert layer(tn.tensor([1.0])).tolist() == [2]
    remove()
    assert layer(tn.tensor([1.0])).tolist() == [1]


def test_train_and_eval_reach_every_module():
    model = network()
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    model.body.train()
    assert [module.training for _, module in model.named_modules()] == [False, False, True, True, True, True]


def test_a_child_decides_about_its_own_mode():
    class Fixed(nn.Sequential):
        def train(self, mode=True):
            return super().train(False)

    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(Fixed(nn.Dropout(0.5)), nn.Dropout(0.5)))
    assert model.train() is model
    modes = {name: module.training for name, module in model.named_modules()}
    assert modes == {"": True, "0": True, "1": True, "1.0": False, "1.0.0": False, "1.1": True}


def test_modules_are_kept_in_inference_until_released(rng):
    model = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)), nn.BatchNorm1d(3))
    kept, free = model
    assert kept.keep_in_inference() is kept
    for _ in range(2):
        model.train()
        assert [module.training for module in model.modules()] == [True, False, False, False, True]
        model.eval()
    x, statistics = tn.tensor(rng.normal(3, 2, size=(8, 3))), kept[0].running_mean.numpy().copy()
    model.train().to("float64")(x)
    np.testing.assert_array_equal(kept[0].running_mean.numpy(), statistics)
    assert abs(free.running_mean.numpy()).max() > 0.01
    assert all(parameter.requires_grad for parameter in model.parameters())
    twin = copy.deepcopy(model)
    kept.keep_in_inference(False)
    assert all(module.training for module in model.train().modules())
    assert not twin.train()[0][0].training


def test_apply_visits_children_first():
    order = []
    model = network()
    assert model.apply(lambda module: order.append(type(module).__name__)) is model
    assert order == ["Linear", "Linear", "Residual", "ReLU", "Sequential", "Sequential"]


def test_to_dtype_converts_floating_numbers_only():
    model = network().to("float64")
    assert {parameter.dtype for parameter in model.parameters()} == {np.dtype(np.float64)}
    assert model.body[0].scratch.dtype == np.float64
    assert model.body[0].calls.dtype == np.int64
    assert model(np.ones((2, 4))).dtype == np.float64
    with pytest.raises(ArgumentError, match="expected a device or a floating dtype, not int32"):
        model.to("int32")


def test_default_dtype_is_that_of_new_layers():
    tn.set_default_dtype("float64")
    assert nn.Linear(2, 2).weight.dtype == np.float64
    assert nn.BatchNorm1d(2).running_var.dtype == np.float64


def test_repr_shows_the_tree():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU()))) == (
        "Sequential(\n  (0): Linear(2, 3, bias=True)\n  (1): Sequential(\n    (0): ReLU()\n  )\n)"
    )


def test_sequential_slicing_and_indexing():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4))
    head = model[1:]
    assert isinstance(head, nn.Sequential)
    assert len(head) == 2
    assert head[-1] is model[2]
    assert [type(module).__name__ for module in model] == ["Linear", "ReLU", "Linear"]
    model[1] = nn.Tanh()
    assert isinstance(model[1], nn.Tanh)


def test_module_list_and_dict():
    modules = nn.ModuleList([nn.Linear(2, 2)]).append(nn.ReLU())
    assert len(modules) == 2
    assert [name for name, _ in modules.named_parameters()] == ["0.weight", "0.bias"]
    assert len(modules[:1]) == 1
    named = nn.ModuleDict({"left": nn.ReLU()})
    named["right"] = nn.Linear(2, 2)
    assert list(named.keys()) == ["left", "right"]
    assert "right" in named
    assert named["left"](tn.tensor([-1.0])).tolist() == [0]
    with pytest.raises(KeyError, match="no module 'middle'; there are left, right"):
        named["middle"]
    with pytest.raises(ArgumentError, match=r"'a\.b' cannot be a module's name"):
        named["a.b"] = nn.ReLU()
    with pytest.raises(ArgumentError, match=r"wrap a function in nn\.Lambda"):
        nn.Sequential(F.relu)


def test_lambda_is_a_layer():
    model = nn.Sequential(nn.Lambda(F.relu), nn.Lambda(lambda x: x * 2, name="double"))
    assert model(tn.tensor([-1.0, 2.0])).tolist() == [0, 4]
    assert "Lambda(relu)" in repr(model)
    assert "Lambda(double)" in repr(model)


def test_errors_name_the_path_of_the_module():
    features = nn.Sequential({"conv1": nn.Conv2d(3, 8, 3), "conv2": nn.Conv2d(16, 8, 3)})
    model = nn.Sequential({"features": features, "flatten": nn.Flatten()})
    with pytest.raises(ShapeError, match=r"^conv2d: .*expects 16.* \[features\.conv2\]$"):
        model(np.zeros((1, 8, 8, 3), np.float32))


def test_error_paths_are_not_confused_by_an_earlier_error():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"^linear: x has 4 features .* \[1\]$"):
            model(np.zeros((1, 3), np.float32))


def test_anomalies_name_the_path_of_the_module():
    model = nn.Sequential({"first": nn.Linear(2, 2), "last": nn.Lambda(lambda x: F.log(x * 0 - 1))})
    with (
        np.errstate(invalid="ignore"),
        tn.detect_anomaly(),
        pytest.raises(tn.errors.AnomalyError, match=r"^log: .* \[last\]$"),
    ):
        model(np.ones((1, 2), np.float32))


def test_copies_are_independent():
    model = network()
    twin = copy.deepcopy(model)
    twin.stem.weight.data[...] = 0
    assert model.stem.weight.data.any()
    assert twin.stem.weight is not model.stem.weight


def test_register_buffer_refuses_taken_names():
    layer = nn.Linear(2, 2)
    with pytest.raises(ArgumentError, match="Linear has an attribute 'weight' already"):
        layer.register_buffer("weight", np.zeros(2))


def test_a_module_without_forward_says_so():
    with pytest.raises(TypeError, match="Module defines no forward"):
        nn.Module()(1)
