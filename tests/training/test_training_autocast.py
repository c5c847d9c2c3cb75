"""`Trainer(autocast=...)`: as accurate as in float32, resumed to the same bits."""

import numpy as np
import pytest
from training_problems import assert_same_numbers, make_model, make_trainer, snapshot, three_classes

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.data import load_digits
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.models import LeNet5
from tinynet.training import Callback, Checkpoint


class StopAfter(Callback):
    """Raises an error after so many batches of the whole run."""

    runs_last = True

    def __init__(self, batches):
        self.batches = batches

    def on_batch_end(self, fit):
        self.batches -= 1
        if not self.batches:
            raise RuntimeError("power cut")


def mixed_trainer(precision="float16", **options):
    """One whose factor grows and overflows within a few batches."""
    scaler = optim.LossScaler(2.0**22, growth_interval=3) if precision == "float16" else None
    return make_trainer(autocast=precision, loss_scaler=scaler, **options)


def test_a_resumed_run_is_the_same_to_the_last_bit(tmp_path):
    data, path = three_classes(), tmp_path / "checkpoint.safetensors"
    whole = mixed_trainer()
    expected = whole.fit(*data, epochs=3, batch_size=16, verbose=0)
    callbacks = [Checkpoint(path, every_batches=4), StopAfter(10)]
    with pytest.raises(RuntimeError, match="power cut"):
        mixed_trainer().fit(*data, epochs=3, batch_size=16, verbose=0, callbacks=callbacks)
    resumed = mixed_trainer()
    history = resumed.fit(
        *data, epochs=3, batch_size=16, verbose=0, resume=path, callbacks=[Checkpoint(path, every_batches=4)]
    )
    assert_same_numbers(snapshot(resumed), snapshot(whole))
    assert resumed.loss_scaler.state_dict() == whole.loss_scaler.state_dict()
    assert whole.loss_scaler.scale < 2.0**22  # there was an overflow
    assert snapshot(whole)["steps"].max() < 18  # and its step was left out
    assert [row["loss"] for row in history.epochs] == [row["loss"] for row in expected.epochs]


def test_a_checkpoint_without_a_factor_is_refused(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    make_trainer().fit(*three_classes(), batch_size=32, verbose=0, callbacks=[Checkpoint(path)])
    with pytest.raises(CheckpointError, match="it lacks the state of loss scaler; nothing was restored"):
        mixed_trainer().fit(*three_classes(), batch_size=32, verbose=0, resume=path)


def test_predictions_are_float32_and_close():
    x, y = three_classes()
    trainer, full = mixed_trainer(), make_trainer()
    predicted = trainer.predict(x)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, full.predict(x), atol=2.0**-8)
    assert (predicted != full.predict(x)).any()
    assert trainer.evaluate(x, y)["loss"] == pytest.approx(full.evaluate(x, y)["loss"], rel=2.0**-9)


@pytest.mark.parametrize("rounding", ["tf32", "bfloat16"])
def test_a_rounding_of_factors_is_float32_on_the_cpu(rounding):
    x, y = three_classes()
    learnt = []
    for precision in (rounding, None):
        trainer = mixed_trainer(precision)
        trainer.fit(x, y, epochs=2, batch_size=32, verbose=0)
        assert trainer.loss_scaler is None
        learnt.append(snapshot(trainer))
    assert_same_numbers(*learnt)


def test_gradients_are_clipped_as_in_float32():
    x, y = three_classes()
    moved = []
    for precision in (None, "float16"):
        model = make_model(dropout=0.0)
        before = [parameter.data.copy() for parameter in model.parameters()]
        optimizer = optim.SGD(model.parameters(), lr=1.0)
        trainer = tn.Trainer(model, optimizer, F.cross_entropy, clip_norm=1e-2, autocast=precision)
        trainer.train_on_batch((tn.tensor(x), tn.tensor(y)))
        moved.append([p.data - b for p, b in zip(model.parameters(), before, strict=True)])
    lengths = [np.sqrt(sum([(part**2).sum() for part in parts])) for parts in moved]
    np.testing.assert_allclose(lengths, 1e-2, rtol=1e-3)


def test_unknown_precisions():
    with pytest.raises(ArgumentError, match="autocast: there is no precision 'half'"):
        make_trainer(autocast="half")


def trained_on_digits(precision, epochs=4):
    """A LeNet-5 trained on the digits that are part of scikit-learn: its figures, and its history."""
    digits = load_digits(size=28)
    tn.manual_seed(0)
    model = LeNet5(input_size=28)
    trainer = tn.Trainer(
        model, optim.Adam(model.parameters(), lr=3e-3), F.cross_entropy, ["accuracy"], autocast=precision
    )
    history = trainer.fit(*digits.train, epochs=epochs, batch_size=64, verbose=0)
    return trainer.evaluate(*digits.test), history.epochs


@pytest.mark.slow
def test_lenet5_learns_in_float16_as_in_float32():
    pytest.importorskip("sklearn", reason="the digits need scikit-learn")
    (full, full_history), (mixed, mixed_history) = trained_on_digits(None), trained_on_digits("float16")
    # Of 359 test images, runs that differ in their seed alone differ by up to 6.
    assert mixed["accuracy"] == pytest.approx(full["accuracy"], abs=6 / 359)
    assert mixed["accuracy"] > 0.94
    # In the beginning the two runs still are the same but for rounding.
    assert mixed_history[0]["loss"] == pytest.approx(full_history[0]["loss"], rel=0.02)


def test_all_kinds_of_layers_train(rng):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.LayerNorm(64),
        nn.Linear(64, 3),
        nn.Softmax(),
    )
    x = rng.normal(size=(60, 8, 8, 1)).astype(np.float32)
    y = np.repeat(np.arange(3), 20)
    x[y == 1, :4] += 2
    x[y == 2, 4:] += 2
    trainer = tn.Trainer(
        model,
        optim.Adam(model.parameters(), lr=1e-2),
        lambda p, t: F.nll_loss(F.log(p + 1e-6), t),
        ["accuracy"],
        autocast="float16",
    )
    trainer.fit(x, y, epochs=6, batch_size=20, verbose=0)
    assert trainer.evaluate(x, y)["accuracy"] > 0.9
    assert all(parameter.dtype == np.float32 for parameter in model.parameters())
