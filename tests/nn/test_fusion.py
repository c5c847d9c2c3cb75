"""Neighbouring modules computed in one operation: the same numbers, and when it is done and when not."""

import copy
import inspect
import threading

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import models, nn
from tinynet.errors import AnomalyError, ArgumentError, ShapeError
from tinynet.nn.summary import summarize

IMAGE = (3, 6, 5, 2)

NETWORKS = {
    "conv1d": (lambda: [nn.Conv1d(2, 3, 3), nn.ReLU()], (3, 6, 2)),
    "conv2d": (lambda: [nn.Conv2d(2, 3, 3, padding=1), nn.ReLU()], IMAGE),
    "conv2d without bias": (lambda: [nn.Conv2d(2, 3, 3, bias=False), nn.ReLU()], IMAGE),
    "conv3d": (lambda: [nn.Conv3d(2, 3, 2), nn.ReLU()], (1, 3, 3, 3, 2)),
    "linear": (lambda: [nn.Linear(4, 5), nn.ReLU()], (6, 4)),
    "linear without bias": (lambda: [nn.Linear(4, 5, bias=False), nn.ReLU()], (6, 4)),
    "batch norm": (lambda: [nn.BatchNorm2d(2), nn.ReLU()], IMAGE),
    "batch norm of a matrix": (lambda: [nn.BatchNorm1d(4), nn.ReLU()], (6, 4)),
    "batch norm, ReLU6": (lambda: [nn.BatchNorm2d(2), nn.ReLU6()], IMAGE),
    "conv, batch norm": (lambda: [nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()], IMAGE),
    "several": (
        lambda: [
            nn.Conv2d(2, 3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(3, 2, 2),
            nn.BatchNorm2d(2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8, 3),
            nn.ReLU(),
            nn.Linear(3, 2),
        ],
        IMAGE,
    ),
}


def shaken(model, rng):
    """The model in float64, with weights and statistics that are all different from what they start with."""
    model.to("float64")
    for name, tensor in model.state_dict().items():
        if "running_var" in name:
            tensor.data[...] = rng.uniform(0.5, 2, tensor.shape)
        else:
            tensor.data[...] += rng.normal(0, 0.4, tensor.shape)
    return model


def outcome(model, array, seed=3):
    """The output, the gradients and the state after one forward and backward."""
    model.zero_grad()
    x = tn.Tensor(array, requires_grad=True)
    y = model(x)
    gradient = np.random.default_rng(seed).normal(size=y.shape)
    y.backward(tn.Tensor(gradient))
    results = {"output": y.numpy(), "gradient of x": x.grad.numpy()}
    results.update((f"gradient of {name}", p.grad.numpy().copy()) for name, p in model.named_parameters())
    results.update((name, buffer.numpy().copy()) for name, buffer in model.named_buffers())
    return results


def assert_same(found, expected, tolerance=1e-12):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        scale = max(1.0, abs(array).max())
        np.testing.assert_allclose(found[name], array, rtol=0, atol=tolerance * scale, err_msg=name)


def operations(tensor):
    """The names of the operations that lead to a tensor."""
    names, nodes = set(), [tensor.node]
    while nodes:
        node = nodes.pop()
        if node is not None and getattr(node, "is_node", False):
            names.add(type(node).__name__)
            nodes += node.edges
    return names


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", NETWORKS)
def test_fused_and_unfused_give_the_same_numbers(name, training, rng):
    make, shape = NETWORKS[name]
    model = shaken(nn.Sequential(*make()), rng).train(training)
    twin = copy.deepcopy(model)
    x = rng.normal(size=shape)
    with nn.fusion() as groups:
        fused = outcome(model, x)
    assert groups, "nothing was fused"
    with nn.fusion(False) as groups:
        plain = outcome(twin, x)
    assert not groups
    assert_same(fused, plain)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_operation_of_its_own_is_left_of_relu(name, rng):
    make, shape = NETWORKS[name]
    model = nn.Sequential(*make()).to("float64")
    x = rng.normal(size=shape)
    assert not {"Relu", "HardTanh"} & operations(model(tn.Tensor(x)))
    with nn.fusion(False):
        assert {"Relu", "HardTanh"} & operations(model(tn.Tensor(x)))


def test_the_kernels_are_told_of_the_activation(monkeypatch, rng):
    from tinynet_kernels import conv, matmul, norm

    seen = []

    def spied(module, name):
        original = getattr(module, name)
        signature = inspect.signature(original)

        def spy(*arguments):
            seen.append((name, signature.bind(*arguments).arguments["activation"]))
            return original(*arguments)

        monkeypatch.setattr(module, name, spy)

    spied(conv, "forward")
    spied(norm, "batch_forward")
    spied(matmul, "product")
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.ReLU(),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(192, 128),
        nn.ReLU(),
    )
    model(rng.random((8, 10, 10, 2), dtype=np.float32))
    assert seen == [("forward", "relu"), ("batch_forward", "relu"), ("product", "relu")]


def test_the_result_before_the_activation_is_not_kept(rng):
    model = nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.ReLU())
    y = model(tn.Tensor(rng.normal(size=IMAGE).astype(np.float32)))
    assert y.node.output_array is y.data
    assert [tensor is None or tensor.shape for tensor in y.node.saved] == [IMAGE, True]


def test_chain_takes_functions(rng):
    dense = nn.Linear(4, 3).to("float64")
    x = rng.normal(size=(5, 4))
    with nn.fusion() as groups:
        y = nn.chain(x, dense, F.relu, F.exp)
    assert groups == [(dense, F.relu)]
    np.testing.assert_allclose(y.numpy(), np.exp(np.maximum(dense(x).numpy(), 0)), rtol=1e-14)


def test_chain_of_nothing_gives_x():
    x = tn.tensor([1.0])
    assert nn.chain(x) is x


def groups_of(model, x):
    with nn.fusion() as groups:
        model(x)
    return [tuple([type(step).__name__ for step in group]) for group in groups]


class OwnForward(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 2


class OwnCall(nn.Conv2d):
    def __call__(self, x):
        return super().__call__(x) * 2


class OwnRelu(nn.ReLU):
    def forward(self, x):
        return super().forward(x) + 1


class OwnRepr(nn.Conv2d):
    def extra_repr(self):
        return "a convolution"


@pytest.mark.parametrize(
    ("convolution", "rectifier", "fused"),
    [
        (nn.Conv2d, nn.ReLU, True),
        (OwnRepr, nn.ReLU, True),
        (OwnForward, nn.ReLU, False),
        (OwnCall, nn.ReLU, False),
        (nn.Conv2d, OwnRelu, False),
        (nn.Conv2d, nn.LeakyReLU, False),
        (nn.ConvTranspose2d, nn.ReLU, False),
    ],
)
def test_only_modules_that_are_what_they_seem_are_fused(convolution, rectifier, fused, rng):
    model = nn.Sequential(convolution(2, 3, 3), rectifier())
    x = rng.random(IMAGE, dtype=np.float32)
    assert bool(groups_of(model, x)) == fused
    with nn.fusion(False):
        expected = model(x).numpy()
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-6, atol=1e-6)


def test_a_forward_put_on_one_module_is_called(rng):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    vars(model[1])["forward"] = lambda x: x * 0 + 7
    assert (model(rng.random((4, 2), dtype=np.float32)).numpy() == 7).all()


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_see_what_goes_in_and_what_comes_out(place, kind, rng):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).to("float64")
    x = rng.normal(size=(4, 2))
    seen = []
    remove = getattr(model[place], kind)(lambda _module, *given: seen.append(given))
    assert not groups_of(model, x)
    between = x @ model[0].weight.numpy() + model[0].bias.numpy()
    inputs, *output = seen[0]
    expected = [x, between, np.maximum(between, 0)][place : place + 2]
    np.testing.assert_allclose(np.asarray(inputs[0]), expected[0])
    if output:
        np.testing.assert_allclose(output[0].numpy(), expected[1])
    remove()
    assert groups_of(model, x) == [("Linear", "ReLU")]


def test_changes_of_a_sequence_are_seen_at_once(rng):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    x = rng.random((4, 2), dtype=np.float32)
    assert groups_of(model, x) == [("Linear", "ReLU")]
    model.append(nn.ReLU())
    assert groups_of(model, x) == [("Linear", "ReLU")] * 2
    model[1] = nn.Tanh()
    assert groups_of(model, x) == [("Linear", "ReLU")]
    delattr(model, "1")
    assert groups_of(model, x) == [("Linear", "ReLU")]
    model[0] = nn.BatchNorm1d(2)
    assert groups_of(model, x) == [("Linear", "ReLU")]
    delattr(model, "2")
    assert groups_of(model, x) == [("BatchNorm1d", "ReLU")]
    assert groups_of(copy.deepcopy(model), x) == [("BatchNorm1d", "ReLU")]


def test_shared_modules_are_fused_only_where_a_relu_follows(rng):
    shared = nn.Linear(2, 2).to("float64")
    relu = nn.ReLU()
    model = nn.Sequential(shared, relu, shared, nn.Tanh(), relu)
    x = rng.normal(size=(4, 2))
    weight, bias = shared.weight.numpy(), shared.bias.numpy()
    expected = np.maximum(np.tanh(np.maximum(x @ weight + bias, 0) @ weight + bias), 0)
    np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-12)


def test_the_setting_holds_for_its_thread_and_its_block(rng):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    x = rng.random((4, 2), dtype=np.float32)
    found = []
    with nn.fusion(False):
        thread = threading.Thread(target=lambda: found.append(operations(model(x))))
        thread.start()
        thread.join()
        assert "Relu" in operations(model(x))
    assert "Relu" not in found[0]
    assert "Relu" not in operations(model(x))
    with pytest.raises(ZeroDivisionError), nn.fusion(False):
        raise ZeroDivisionError
    assert "Relu" not in operations(model(x))


# What the reader of a model sees


def test_summary_shows_every_layer():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    assert [row.type for row in summarize(model, (4, 4, 1))] == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "Flatten",
        "Linear",
    ]


def test_errors_and_anomalies_name_the_module():
    model = nn.Sequential({"first": nn.Sequential(nn.Linear(3, 4), nn.ReLU()), "second": nn.Linear(5, 1)})
    with pytest.raises(ShapeError, match=r"^linear: x has 2 features .* \[first\.0\]$"):
        model(np.zeros((1, 2), np.float32))
    model.first[0].weight.data[...] = np.nan
    with tn.detect_anomaly(), pytest.raises(AnomalyError, match=r"^linear: .* \[first\.0\]$"):
        model(np.zeros((1, 3), np.float32))


def test_the_sum_in_a_residual_block_is_not_kept(rng):
    x, y = (tn.Tensor(rng.normal(size=(4, 3)), requires_grad=True) for _ in range(2))
    z = F.add_relu(x, y)
    assert z.node.output_array is z.data
    assert z.node.saved == (None, None)
    with pytest.raises(ShapeError, match=r"^add_relu: shapes \(4, 3\) and \(2,\) do not broadcast"):
        F.add_relu(x, np.ones(2))
    assert F.add_relu(np.float64(1), np.float64(-3)).item() == 0


@pytest.mark.parametrize("operation", ["conv2d", "linear", "batch_norm"])
def test_unknown_activations_are_refused(operation):
    arguments = {
        "conv2d": (np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1))),
        "linear": (np.ones((2, 3)), np.ones((3, 1))),
        "batch_norm": (np.ones((4, 2)),),
    }[operation]
    with pytest.raises(ArgumentError) as caught:
        getattr(F, operation)(*arguments, activation="tanh")
    known = "None, 'relu' or 'relu6'" if operation == "batch_norm" else "None or 'relu'"
    assert str(caught.value) == f"{operation}: activation must be {known}, not 'tanh'"


def test_a_convolution_leaves_relu6_to_the_batch_norm_behind_it(rng):
    convolution, batch_norm, relu6 = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU6()
    model = nn.Sequential(convolution, batch_norm, relu6)
    batch_norm.weight.data[...] = 9
    x = rng.random(IMAGE, dtype=np.float32)
    with nn.fusion() as groups:
        y = model(x)
    assert groups == [(batch_norm, relu6)]
    assert y.numpy().min() == 0
    assert y.numpy().max() == 6
    with nn.fusion() as groups:
        nn.chain(x, convolution, relu6)
        nn.chain(x, nn.BatchNorm2d(2), F.relu6)
    assert [group[1] for group in groups] == [F.relu6]


def test_the_plan_of_a_model():
    plan = nn.plan_fusion(models.LeNet5(), (32, 32, 1))
    assert str(plan) == (
        "LeNet5\n"
        "  conv1 + relu: Conv2d + relu\n"
        "  conv2 + relu: Conv2d + relu\n"
        "  dense1 + relu: Linear + relu\n"
        "  dense2 + relu: Linear + relu"
    )
    assert str(nn.plan_fusion(models.LeNet5(variant="classic"), (32, 32, 1))).endswith("nothing is fused")


def test_the_plan_tells_training_from_inference(capsys):
    model = nn.Sequential({"conv": nn.Conv2d(1, 2, 3), "norm": nn.BatchNorm2d(2), "relu": nn.ReLU()})
    model.norm.eval()
    before = model.state_dict()["norm.running_mean"].numpy().copy()
    training = model.fusion_plan((8, 8, 1), training=True)
    assert [group.names for group in training] == [("norm", "relu")]
    inference = model.fusion_plan((8, 8, 1))
    assert [group.types for group in inference] == [("Conv2d", "BatchNorm2d", "ReLU")]
    assert capsys.readouterr().out == f"{training}\n{inference}\n"
    assert [module.training for module in model.modules()] == [True, True, False, True]
    np.testing.assert_array_equal(model.norm.running_mean.numpy(), before)


@pytest.mark.parametrize("name", ["lenet5", "mnist-conv", "mnist-conv5", "mnist-dense-200", "resnet20"])
def test_models_give_the_same_numbers(name, rng):
    model = shaken(models.create(name), rng)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    twin = copy.deepcopy(model)
    x = rng.normal(size=(2, *model.input_shape))
    with nn.fusion() as groups:
        fused = outcome(model, x)
    assert groups
    with nn.fusion(False):
        assert_same(fused, outcome(twin, x), 1e-10)
