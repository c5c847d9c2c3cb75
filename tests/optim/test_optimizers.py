"""The optimisers against PyTorch's, step by step, and what they leave alone."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import optim
from tinynet.errors import ArgumentError, DTypeError, GraphError
from tinynet.nn.parameter import Parameter

SHAPES = [(3, 5), (7,), (2, 3, 4), ()]

OPTIONS = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.05},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ],
    "Adam": [{}, {"lr": 0.02, "betas": (0.8, 0.95), "epsilon": 1e-4, "weight_decay": 0.1}],
    "AdamW": [{}, {"lr": 0.02, "betas": (0.8, 0.95), "epsilon": 1e-4, "weight_decay": 0.1}],
    "RMSprop": [
        {},
        {"lr": 0.02, "alpha": 0.9, "epsilon": 1e-4, "weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True, "epsilon": 1e-3},
        {"momentum": 0.5, "centered": True, "epsilon": 1e-3, "weight_decay": 0.1},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1},
        {"initial_accumulator_value": 0.5, "epsilon": 1e-3},
    ],
}
CASES = [(name, options) for name, choices in OPTIONS.items() for options in choices]
IDS = [f"{name}-{index}" for name, choices in OPTIONS.items() for index in range(len(choices))]


def torch_optimizer(torch, name, parameters, options):
    options = {"eps" if key == "epsilon" else key: value for key, value in options.items()}
    return getattr(torch.optim, name)(parameters, **options)


class Twins:
    """The same parameters here and in PyTorch, given the same random gradients."""

    def __init__(self, torch, rng, dtype, kind=Parameter):
        self.torch, self.rng, self.dtype = torch, rng, dtype
        values = [np.asarray(rng.normal(size=shape), dtype) for shape in SHAPES]
        self.ours = [kind(value.copy(), requires_grad=True) for value in values]
        self.theirs = [torch.tensor(value, requires_grad=True) for value in values]

    def set_gradients(self, without=()):
        for index, (ours, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            ours.grad = theirs.grad = None
            if index not in without:
                gradient = np.asarray(self.rng.normal(size=ours.shape), self.dtype)
                ours.accumulate_gradient(gradient)
                theirs.grad = self.torch.tensor(gradient)

    def assert_equal(self, tolerance):
        for ours, theirs in zip(self.ours, self.theirs, strict=True):
            expected = theirs.detach().numpy()
            assert ours.dtype == expected.dtype
            np.testing.assert_allclose(ours.data, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="parity with PyTorch needs torch")


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_twenty_steps_are_those_of_pytorch(torch, rng, name, options, dtype, tolerance):
    twins = Twins(torch, rng, dtype)
    ours = getattr(optim, name)(twins.ours, **options)
    theirs = torch_optimizer(torch, name, twins.theirs, options)
    for _ in range(20):
        twins.set_gradients()
        ours.step()
        theirs.step()
        twins.assert_equal(tolerance)


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_parameters_that_miss_steps_are_left_alone_and_keep_their_own_count(torch, rng, name, options):
    twins = Twins(torch, rng, np.float64)
    ours = getattr(optim, name)(twins.ours, **options)
    theirs = torch_optimizer(torch, name, twins.theirs, options)
    for without in [(), (1,), (1, 2), (0,), (), (0, 1, 2, 3), (), (3,), ()]:
        before = [parameter.data.copy() for parameter in twins.ours]
        twins.set_gradients(without)
        ours.step()
        theirs.step()
        twins.assert_equal(1e-12)
        for index in without:
            np.testing.assert_array_equal(twins.ours[index].data, before[index])


@pytest.mark.parametrize("name", OPTIONS)
def test_groups_follow_their_own_options(torch, rng, name):
    twins = Twins(torch, rng, np.float64)

    def groups(p):
        return [{"params": [p[0], p[2]]}, {"params": p[1], "lr": 0.3, "weight_decay": 0.2}]

    ours = getattr(optim, name)(groups(twins.ours), lr=0.01)
    theirs = getattr(torch.optim, name)(groups(twins.theirs), lr=0.01)
    ours.add_parameter_group({"params": twins.ours[3], "lr": 0.05})
    theirs.add_param_group({"params": twins.theirs[3], "lr": 0.05})
    for step in range(10):
        twins.set_gradients()
        if step == 5:
            ours.groups[1]["lr"] = theirs.param_groups[1]["lr"] = 0.003
        ours.step()
        theirs.step()
        twins.assert_equal(1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_leaf_tensors_that_are_no_parameters_move_in_place(torch, rng, name):
    twins = Twins(torch, rng, np.float64, kind=tn.Tensor)
    memory = [tensor.data for tensor in twins.ours]
    ours = getattr(optim, name)(twins.ours, lr=0.1)
    theirs = getattr(torch.optim, name)(twins.theirs, lr=0.1)
    for without in [(), (2,), (), ()]:
        twins.set_gradients(without)
        ours.step()
        theirs.step()
    twins.assert_equal(1e-12)
    assert all(tensor.data is array for tensor, array in zip(twins.ours, memory, strict=True))


def test_momentum_that_is_switched_on_later_starts_as_in_pytorch(torch, rng):
    twins = Twins(torch, rng, np.float64)
    ours = optim.SGD(twins.ours, lr=0.1, dampening=0.5)
    theirs = torch.optim.SGD(twins.theirs, lr=0.1, dampening=0.5)
    for momentum in (0, 0, 0.9, 0.9, 0, 0.5, 0.5):
        ours.groups[0]["momentum"] = theirs.param_groups[0]["momentum"] = momentum
        twins.set_gradients()
        ours.step()
        theirs.step()
    twins.assert_equal(1e-12)


def test_one_run_of_parameters_is_one_kernel_call(rng, monkeypatch):
    parameters = [Parameter(rng.normal(size=(4, 4))) for _ in range(6)]
    optimizer = optim.Adam(parameters)
    calls = []
    original = optimizer.update
    monkeypatch.setattr(optimizer, "update", lambda run, *rest: (calls.append(run), original(run, *rest)))
    for parameter in parameters:
        parameter.accumulate_gradient(np.ones((4, 4)))
    optimizer.step()
    assert [len(run.parameters) for run in calls] == [6]


def test_frozen_parameters_do_not_move(rng):
    frozen, free = Parameter(rng.normal(size=3)), Parameter(rng.normal(size=3))
    optimizer = optim.AdamW([frozen, free], lr=0.1, weight_decay=0.5)
    for parameter in (frozen, free):
        parameter.accumulate_gradient(np.ones(3))
    frozen.requires_grad = False
    before = frozen.data.copy(), free.data.copy()
    optimizer.step()
    np.testing.assert_array_equal(frozen.data, before[0])
    assert (free.data != before[1]).all()


def test_a_step_does_not_change_the_gradients(rng):
    parameter = Parameter(rng.normal(size=8))
    gradient = rng.normal(size=8)
    parameter.accumulate_gradient(gradient)
    optim.Adam([parameter], weight_decay=0.1).step()
    np.testing.assert_array_equal(parameter.grad.data, gradient)


def test_zero_grad_forgets_all_gradients(rng):
    tensors = [Parameter(rng.normal(size=3)), tn.Tensor(rng.normal(size=3), requires_grad=True)]
    optimizer = optim.SGD(tensors)
    for tensor in tensors:
        tensor.accumulate_gradient(np.ones(3))
    optimizer.zero_grad()
    assert [tensor.grad for tensor in tensors] == [None, None]


@pytest.mark.parametrize("kind", [Parameter, tn.Tensor])
def test_a_step_between_forward_and_backward_is_caught(rng, kind):
    weight = kind(rng.normal(size=3), requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.1)
    (weight * weight).sum().backward()
    late = (weight * weight).sum()
    optimizer.step()
    with pytest.raises(GraphError, match="changed in place"):
        late.backward()


def test_the_state_follows_parameters_into_another_buffer(rng):
    """Replacing the data makes a parameter homeless; its moments must find it again."""
    start = rng.normal(size=(2, 5))
    gradients = rng.normal(size=(6, 2, 5))
    results = []
    for moves in (False, True):
        pair = [Parameter(row.copy()) for row in start]
        optimizer = optim.Adam(pair, lr=0.1)
        for step, rows in enumerate(gradients):
            if moves and step == 3:
                pair[1].data = pair[1].data.copy()
            optimizer.zero_grad()
            for parameter, row in zip(pair, rows, strict=True):
                parameter.accumulate_gradient(row)
            optimizer.step()
        results.append([parameter.data.copy() for parameter in pair])
    np.testing.assert_array_equal(results[0], results[1])


def test_the_state_follows_parameters_to_another_dtype(rng):
    parameter = Parameter(rng.normal(size=4))
    optimizer = optim.SGD([parameter], lr=1.0, momentum=0.5)
    parameter.accumulate_gradient(np.full(4, 2.0))
    optimizer.step()
    parameter.buffer.to(dtype=np.float32)
    before = parameter.data.copy()
    parameter.grad = None
    parameter.accumulate_gradient(np.zeros(4, np.float32))
    optimizer.step()
    assert parameter.dtype == np.float32
    np.testing.assert_allclose(parameter.data, before - 1.0, rtol=1e-6)


def test_generators_of_parameters_are_taken(rng):
    parameters = [Parameter(rng.normal(size=2)) for _ in range(3)]
    assert optim.SGD(p for p in parameters).groups[0]["params"] == parameters


X = Parameter(np.ones(3))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optim.SGD([]), ArgumentError, "SGD: there are no parameters to optimise"),
        (lambda: optim.SGD(X), DTypeError, "SGD: parameters must be a sequence .* not a single Parameter"),
        (
            lambda: optim.SGD([np.ones(3)]),
            DTypeError,
            "SGD: parameter 0 of group 0 is a ndarray, not a tensor",
        ),
        (
            lambda: optim.Adam([X, X]),
            ArgumentError,
            r"Adam: parameter 1 of group 0 \(shape \(3,\)\) was given",
        ),
        (
            lambda: optim.Adam([{"params": X}, {"params": [X]}]),
            ArgumentError,
            "parameter 0 of group 1 .* before",
        ),
        (lambda: optim.Adam([X * 2.0]), ArgumentError, "is not a leaf: multiply computed it"),
        (lambda: optim.Adam([tn.tensor([1, 2])]), DTypeError, "must hold floating-point numbers, not int64"),
        (lambda: optim.Adam([{"params": []}]), ArgumentError, "Adam: parameter group 0 is empty"),
        (lambda: optim.Adam([{"lr": 1.0}]), ArgumentError, "must be a dictionary with the key 'params'"),
        (
            lambda: optim.Adam([{"params": X, "momentum": 1}]),
            ArgumentError,
            "unknown option 'momentum'.*betas",
        ),
        (lambda: optim.SGD([X], lr=-1), ArgumentError, "SGD: lr must be a number of at least 0, not -1"),
        (lambda: optim.SGD([X], lr=np.nan), ArgumentError, "SGD: lr must be a number of at least 0, not nan"),
        (lambda: optim.SGD([X], nesterov=True), ArgumentError, "SGD: nesterov needs momentum above 0"),
        (
            lambda: optim.AdamW([X], betas=(0.9, 1.0)),
            ArgumentError,
            r"AdamW: betas must be .* not \(0.9, 1.0\)",
        ),
        (lambda: optim.Adam([X], epsilon=0), ArgumentError, "Adam: epsilon must be a number above 0, not 0"),
        (lambda: optim.RMSprop([X], alpha=1.5), ArgumentError, "RMSprop: alpha must lie between 0 and 1"),
        (lambda: optim.Adagrad([X], lr_decay=-1), ArgumentError, "Adagrad: lr_decay must be a number of at"),
    ],
)
def test_errors_say_what_is_wrong(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_memory_that_is_not_contiguous_is_refused():
    leaf = tn.Tensor(np.ones((3, 4)).T, requires_grad=True)
    leaf.accumulate_gradient(np.ones((4, 3)))
    with pytest.raises(ArgumentError, match=r"shape \(4, 3\) is not contiguous"):
        optim.SGD([leaf]).step()
