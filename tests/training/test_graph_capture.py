"""Captured steps: replays compute to the last bit what ordinary steps would have computed.

With the stand-in for CuPy, a graph repeats only what was done on the device when it was captured. Whatever a
step does on the host besides is missing in replays, so that these comparisons find it.
"""

import copy
import inspect

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import ArgumentError, DeviceError, GraphError
from tinynet.models.capsnet import CapsNet
from tinynet.models.crnn import CRNN
from tinynet.models.lenet5 import LeNet5
from tinynet.nn.parameter import Parameter
from tinynet_kernels import optimizer as optimizer_kernels
from tinynet_kernels.cuda.modes import own_products

WARM_UP = 2


def lenet5():
    model = LeNet5()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    options = {
        "clip_norm": 0.5,
        "schedule": optim.CosineAnnealingLR(optimizer, 9),
        "schedule_every": "batch",
        "regularizer": tn.training.L2Penalty(1e-3),
    }
    return model, optimizer, F.cross_entropy, options, images(32)


def batch_norm():
    model = nn.Sequential(
        *(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Dropout(0.3), nn.Flatten()),
        *(nn.Linear(27, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 10)),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
    schedule = optim.OneCycleLR(optimizer, max_lr=0.3, total_steps=12)  # changes the momentum as well
    options = {"schedule": schedule, "schedule_every": "batch"}
    pixels, labels = images(8)
    return model, optimizer, F.cross_entropy, options, ((255 * pixels).astype(np.uint8), labels)


def crnn():
    model = CRNN(11, width=0.02, hidden_size=4)
    random = np.random.default_rng(0)
    labels = random.integers(10, size=(7, 2))
    data = random.random((7, 32, 16, 1), np.float32), labels, np.full(7, 3), np.array([1, 2] * 3 + [2])
    return model, optim.RMSprop(model.parameters(), lr=1e-3), model.loss, {"clip_norm": 5.0}, data


def capsules():
    model = CapsNet(input_size=11, kernel_size=4, width=0.01, num_classes=3)
    return model, optim.AdamW(model.parameters(), lr=1e-2), model.loss, {}, images(11, classes=3)


class Resampled(nn.Module):
    """Small images made larger and smaller again; each class has a row of a table as its target."""

    def __init__(self):
        self.enlarged = nn.Upsample((7, 9), mode="bilinear")
        self.reduced = nn.Upsample((4, 5))
        self.conv = nn.Conv2d(1, 2, 3)
        self.output = nn.Linear(12, 10)
        self.table = nn.Embedding(10, 10)

    def forward(self, x):
        x = self.reduced(self.conv(self.enlarged(x)))
        return self.output(F.max_pool2d(x, 2, 1).reshape(len(x), -1)[:, :12])

    def loss(self, y, targets):
        distances = (y - self.table(targets)).square().mean()
        return distances - F.gather(y, targets[:, None], 1).mean() + 0.1 * self.table.weight[targets].mean()


def resampled():
    model = Resampled()
    return model, optim.SGD(model.parameters(), lr=0.1), model.loss, {}, images(5, classes=3)


def images(size, count=7, classes=10):
    random = np.random.default_rng(0)
    return random.random((count, size, size, 1), np.float32), random.integers(classes, size=count)


PROBLEMS = {
    "LeNet-5": lenet5,
    "batch norm and dropout": batch_norm,
    "CRNN": crnn,
    "capsules": capsules,
    "resampling and choosing by index": resampled,
}


def trained(problem, capture):
    """The trainer, and all that training leaves behind. The last batch of each epoch is a smaller one."""
    tn.manual_seed(0)
    model, optimizer, loss, options, data = problem()
    metrics = [] if problem is crnn else ["accuracy"]
    trainer = tn.Trainer(model, optimizer, loss, metrics, device="cuda", capture=capture, **options)
    epochs = 3 if problem is capsules else 4  # enough for replays of either size
    with own_products():
        history = trainer.fit(tn.data.ArrayDataset(*data), epochs=epochs, batch_size=4, verbose=0)
    measured = ("seconds", "peak_memory")
    figures = [{name: row[name] for name in row if name not in measured} for row in history.epochs]
    arrays = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    return trainer, figures, arrays, optimizer.state_dict(), tn.default_generator().get_state()


def assert_identical(found, expected):
    """The same structures, with arrays that are equal to the last bit."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_identical(found[name], value)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_captured_training_is_an_ordinary_one_to_the_last_bit(problem, cuda):
    _, *expected = trained(problem, capture=False)
    trainer, *found = trained(problem, capture=True)
    for part, of_ordinary in zip(found, expected, strict=True):
        assert_identical(part, of_ordinary)
    assert trainer._captured.graphs == 2  # one for each size of batches


def small_step(**options):
    """A captured step that trains one weight, and the weight."""
    weight = Parameter(tn.tensor(np.ones(3, np.float32)).to("cuda").data)
    optimizer = optim.Adam([weight], lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = F.dropout(x * weight, 0.5).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return tn.CapturedStep(step, **options), weight, optimizer


def on_cuda(*numbers, dtype=np.float32):
    return tn.tensor(np.array(numbers, dtype)).to("cuda")


def test_replays_wait_for_nothing(watched):
    step, _, _ = small_step()
    inputs = [on_cuda(1, 2, number) for number in range(6)]
    for x in inputs[: WARM_UP + 1]:
        step(x)
    with watched() as waits:
        for x in inputs[WARM_UP + 1 :]:
            step(x)
    assert waits == []
    assert step.graphs == 1


def test_results_are_copies_unless_they_need_not_be(cuda):
    x = on_cuda(1, 2, 3)
    for copied in (True, False):
        step, _, _ = small_step(copied=copied)
        results = [step(x) for _ in range(WARM_UP + 2)][WARM_UP:]
        first, second = (result.item() for result in results)
        assert (first == second) == (not copied)


def test_copies_are_no_part_of_a_graph_before_the_capture_either(cuda):
    for copied in (True, False):
        step, _, _ = small_step(copied=copied)
        assert step(on_cuda(1, 2, 3)).requires_grad == (not copied)


def test_structures_of_results_are_kept(cuda):
    step = tn.CapturedStep(lambda x: {"twice": (x * 2.0, [x + 1.0]), "nothing": None})
    for number in range(WARM_UP + 2):
        result = step(on_cuda(number))
        assert result["nothing"] is None
        twice, (more,) = result["twice"]
        assert (twice.item(), more.item()) == (2 * number, number + 1)


def test_every_shape_dtype_and_argument_has_a_graph_up_to_a_number(cuda):
    step = tn.CapturedStep(lambda x, factor: x * factor, most_graphs=3)
    pair, double = on_cuda(1, 2), on_cuda(1, 2, dtype=np.float64)
    cases = (pair, 2.0), (on_cuda(1), 2.0), (double, 2.0), (pair, 3.0)
    for _ in range(WARM_UP + 2):
        for x, factor in cases:
            np.testing.assert_array_equal(step(x, factor).numpy(), x.numpy() * factor)
    assert step.graphs == 3


def test_gradients_by_inputs_can_be_part_of_a_step(cuda):
    step = tn.CapturedStep(lambda x: tn.grad((x * x).sum(), x))
    for number in range(WARM_UP + 2):
        x = on_cuda(number, 1)
        x.requires_grad = True
        assert step(x).tolist() == [2 * number, 2]
    assert step.graphs == 1


def test_shapes_that_come_once_are_forgotten(cuda):
    step = tn.CapturedStep(lambda x: x + 1.0)
    for count in range(1, 100):
        step(on_cuda(*range(count)))
    assert len(step._calls) < 99
    for _ in range(WARM_UP + 1):
        step(on_cuda(1))
    assert step.graphs == 1


def test_blocks_around_the_call_have_graphs_of_their_own(cuda):
    weight = Parameter(tn.tensor(np.full((2, 2), 0.1, np.float32)).to("cuda").data)
    step = tn.CapturedStep(lambda x: x @ weight)
    x = tn.tensor(np.eye(2, dtype=np.float32)).to("cuda")
    for _ in range(WARM_UP + 2):
        assert step(x).dtype == np.float32
        with tn.autocast("float16"):
            assert step(x).dtype == np.float16
        with tn.no_grad():
            assert step(x).dtype == np.float32
    assert step.graphs == 3


def test_a_model_that_changes_is_captured_again(cuda):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 1)).to("cuda")
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    captured = tn.CapturedStep(step, model)
    x = tn.tensor(np.ones((3, 2), np.float32)).to("cuda")

    def run():
        for _ in range(WARM_UP + 2):
            captured(x)
        return captured.graphs

    assert run() == 1
    model.eval()
    assert run() == 2
    frozen = model[0].weight
    frozen.requires_grad = False
    before = frozen.numpy().copy()
    assert run() == 3
    np.testing.assert_array_equal(frozen.numpy(), before)
    model.train()
    frozen.requires_grad = True
    assert run() == 3
    assert (frozen.numpy() != before).any()


def test_state_that_was_loaded_after_the_capture_is_noticed(cuda):
    step, _, optimizer = small_step()
    for _ in range(WARM_UP + 1):
        step(on_cuda(1, 2, 3))
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    with pytest.raises(GraphError, match="CapturedStep: kernel adam_step: its arrays or options have"):
        step(on_cuda(1, 2, 3))


def test_options_that_change_the_launch_are_noticed(cuda):
    weight = Parameter(on_cuda(1, 2).data)
    optimizer = optim.SGD([weight], lr=0.1, momentum=0.5)

    def step():
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()

    captured = tn.CapturedStep(step)
    for _ in range(WARM_UP + 2):
        captured()
    optimizer.groups[0]["nesterov"] = True
    with pytest.raises(GraphError, match="kernel sgd_step: its arrays or options have changed"):
        captured()


def reading(x):
    return x * x.sum().item()


def copying(x):
    return x * tn.tensor(np.ones(x.shape, np.float32)).to("cuda")


def drawing(x):
    return x * float(tn.default_generator().uniform((), device="cpu"))


def multiplying(x):
    return F.einsum("ij,jk->ik", x.reshape(3, 1), x.reshape(1, 3))


def recomputing(x):
    x = x.detach()
    x.requires_grad = True
    tn.checkpoint(lambda x: F.dropout(x, 0.5), x).sum().backward()
    return x.grad


def updating(x):
    optimizer_kernels.adagrad(x.data, x.data.copy(), x.data.copy(), 0.1, 1e-8, 0.0)
    return x


REFUSED = {
    reading: "can't repeat what this step does: .*apturing",
    copying: r"an array of shape \(3,\) can't be copied to cuda:0 while a step is captured",
    drawing: "a generator draws random numbers inside of the step",
    multiplying: "cuBLAS",
    recomputing: "can't draw the numbers of a checkpointed section again",
    updating: "not by way of tinynet's optimisers",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_a_graph_cant_repeat_is_refused(function, cuda):
    step = tn.CapturedStep(function)
    for _ in range(WARM_UP):
        step(on_cuda(1, 2, 3))
    with pytest.raises(GraphError, match=REFUSED[function]):
        step(on_cuda(1, 2, 3))
    assert step.graphs == 0
    assert (on_cuda(1, 2) + 1.0).tolist() == [2, 3]  # the device is as usable as before


def test_what_only_happens_on_the_host_is_missing_in_replays(cuda):
    """These tests find what isn't captured: here is a step that they have to find."""
    calls = []
    weight = on_cuda(0)

    def step():
        calls.append(None)
        weight.data += len(calls)

    captured = tn.CapturedStep(step)
    for _ in range(WARM_UP + 3):
        captured()
    assert len(calls) == WARM_UP + 1
    assert weight.item() == 1 + 2 + 3 * 3


def test_cupy_has_what_is_used():
    cupy = pytest.importorskip("cupy", reason="looking names up in CuPy needs cupy")
    cuda = cupy.cuda
    for name in ("begin_capture", "end_capture"):
        assert callable(getattr(cuda.Stream, name))
    assert "non_blocking" in inspect.signature(cuda.Stream).parameters
    assert callable(cuda.Graph.launch)
    assert callable(cuda.MemoryPool.malloc)
    assert callable(cuda.using_allocator)
    assert issubclass(cuda.runtime.CUDARuntimeError, RuntimeError)


def test_without_a_gpu_it_is_refused():
    with pytest.raises(DeviceError, match=r"input 0 \(shape \(2,\)\) is on cpu"):
        tn.CapturedStep(lambda x: x)(tn.tensor([1.0, 2.0]))
    with pytest.raises(ArgumentError, match=r"Trainer: capture needs a model on a GPU .* weight is on the"):
        tn.Trainer(nn.Linear(2, 1), capture=True)


def test_loss_scaling_is_refused(cuda):
    with pytest.raises(ArgumentError, match="capture doesn't go with loss scaling"):
        tn.Trainer(nn.Linear(2, 1), device="cuda", capture=True, autocast="float16")


@pytest.mark.parametrize("options", [{"warm_up": 0}, {"warm_up": True}, {"most_graphs": -1}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ArgumentError, match="must be an integer of at least"):
        tn.CapturedStep(print, **options)
