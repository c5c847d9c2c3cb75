"""Mixed precision on a GPU: the same steps as on the CPU, and one wait in each that scales its loss."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.models.capsnet import CapsNet
from tinynet.training.batches import Placement
from tinynet.training.loss_watch import LossWatch
from tinynet_kernels.cuda import modes


def make_trainer(precision, device, scale=2.0**10):
    tn.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(27, 10),
        nn.Tanh(),
        nn.Linear(10, 5),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    options = {"loss_scaler": optim.LossScaler(scale)} if precision == "float16" else {}
    return tn.Trainer(model, optimizer, F.cross_entropy, autocast=precision, device=device, **options)


def batch():
    rng = np.random.default_rng(5)
    return rng.random((4, 8, 8, 1), dtype=np.float32), rng.integers(5, size=4)


def gradients_after_a_step(trainer):
    """The gradients of the first step, and of the weights after it."""
    trainer.train_on_batch(Placement(trainer.model)(batch()))
    parameters = list(trainer.model.parameters())
    return [p.grad.numpy() for p in parameters], [p.numpy() for p in parameters]


@pytest.mark.parametrize("precision", ["float16", "tf32", "bfloat16"])
def test_a_step_is_that_of_the_processor(cuda, precision):
    found, moved = gradients_after_a_step(make_trainer(precision, "cuda"))
    expected, wanted = gradients_after_a_step(make_trainer(precision, "cpu"))
    # Both round factors to 11 bits, perhaps to different neighbours; tf32 is plain float32 on the CPU, and so
    # is bfloat16, with its 8 bits.
    tolerance = 2.0**-4 if precision == "bfloat16" else 2.0**-7
    for here, there in zip(found + moved, expected + wanted, strict=True):
        assert here.dtype == np.float32
        np.testing.assert_allclose(here, there, atol=tolerance * max(np.abs(there).max(), 2.0**-4))


def test_capsules_learn_as_on_the_processor_in_float32(cuda):
    rng = np.random.default_rng(0)
    data = rng.random((2, 11, 11, 1), dtype=np.float32), rng.integers(3, size=2)
    gradients = []
    for precision, device in ((None, "cpu"), ("float16", "cuda")):
        tn.manual_seed(0)
        model = CapsNet(input_size=11, kernel_size=4, width=0.01, num_classes=3)
        optimizer = optim.Adam(model.parameters())
        trainer = tn.Trainer(model, optimizer, model.loss, device=device, autocast=precision)
        trainer.train_on_batch(Placement(model)(data))
        gradients.append({name: p.grad.numpy() for name, p in model.named_parameters()})
    for name, expected in gradients[0].items():
        found = gradients[1][name]
        if name.startswith("decoder"):  # a millionth of the others, so that some of them underflow
            assert np.isfinite(found).all()
            continue
        # A gradient passes through a handful of products, each with factors rounded to 11 bits.
        np.testing.assert_allclose(found, expected, atol=2.0**-7 * np.abs(expected).max(), err_msg=name)


def test_outputs_on_the_device_are_float16(cuda):
    trainer = make_trainer("float16", "cuda")
    x, _ = Placement(trainer.model)(batch())
    with tn.autocast("float16"):
        assert trainer.model(x).dtype == np.float16
    assert trainer.predict(batch()[0]).dtype == np.float32


def test_a_step_with_loss_scaling_waits_once(cuda_stand_in, watched_steps):
    assert [wait.what for wait in watched_steps("float16")] == ["get"]
    assert watched_steps("float16")[0].place.startswith("tinynet/backend.py")
    assert watched_steps("tf32") == watched_steps("bfloat16") == []


@pytest.fixture
def watched_steps():
    from cupy_stand_in import watched_synchronisations

    def waits(precision):
        trainer = make_trainer(precision, "cuda")
        place, watch = Placement(trainer.model), LossWatch()
        trainer.train_on_batch(place(batch()), losses=watch)
        with watched_synchronisations() as found:
            trainer.train_on_batch(place(batch()), losses=watch)
        return found

    return waits


def test_an_overflow_leaves_everything_as_it_was(cuda):
    trainer = make_trainer("float16", "cuda", scale=2.0**24)
    before = [p.numpy().copy() for p in trainer.model.parameters()]
    trainer.train_on_batch(Placement(trainer.model)(batch()))
    assert trainer.loss_scaler.scale == 2.0**23
    assert trainer.optimizer.state_dict()["steps"] == [0] * len(before)
    for parameter, kept in zip(trainer.model.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.numpy(), kept)


def test_capture_takes_rounded_factors_but_no_loss_scaling(cuda):
    assert modes.rounding() is None
    with pytest.raises(tn.errors.ArgumentError, match="capture doesn't go with loss scaling"):
        make_capturing("float16")
    for rounding in modes.ROUNDINGS:
        make_capturing(rounding)


def make_capturing(precision):
    model = nn.Linear(2, 2).to("cuda")
    return tn.Trainer(model, optim.SGD(model.parameters()), F.cross_entropy, autocast=precision, capture=True)
