"""A training step on a GPU only launches kernels: nothing in it waits, neither for figures nor for checks."""

import numpy as np
import pytest
from training_problems import make_trainer, three_classes

import tinynet as tn
from cupy_stand_in import watched_synchronisations
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.errors import AnomalyError
from tinynet.models.capsnet import CapsNet
from tinynet.models.crnn import CRNN
from tinynet.models.lenet5 import LeNet5
from tinynet.sequences import Alphabet
from tinynet.training.batches import Placement
from tinynet.training.loss_watch import LossWatch
from tinynet.training.metrics import fresh


def images(rng, size, count=3, classes=10):
    return rng.random((count, size, size, 1), dtype=np.float32), rng.integers(classes, size=count)


def lenet5(rng, **options):
    model = LeNet5()
    trainer = tn.Trainer(
        model,
        optim.Adam(model.parameters()),
        F.cross_entropy,
        ["accuracy", "top5_accuracy"],
        clip_norm=1.0,
        device="cuda",
        **options,
    )
    return trainer, images(rng, 32)


def lenet5_in_tf32(rng):
    return lenet5(rng, autocast="tf32")


def batch_norm(rng):
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(27, 10),
        nn.BatchNorm1d(10),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    pixels, labels = images(rng, 8)
    trainer = tn.Trainer(model, optimizer, F.cross_entropy, "error_rate", clip_norm=1e-3, device="cuda")
    return trainer, ((255 * pixels).astype(np.uint8), labels)


def crnn(rng):
    model = CRNN(11, width=0.02, hidden_size=4)
    alphabet = Alphabet("0123456789")
    metrics = [tn.training.WordAccuracy(alphabet), tn.training.CharacterErrorRate(alphabet)]
    optimizer = optim.RMSprop(model.parameters(), lr=1e-3)
    trainer = tn.Trainer(model, optimizer, model.loss, metrics, clip_norm=5.0, device="cuda")
    pixels = rng.random((2, 32, 16, 1), dtype=np.float32)
    labels = rng.integers(10, size=(2, 2))
    return trainer, (pixels, labels, np.array([3, 2]), np.array([1, 2]))


def capsules(rng):
    model = CapsNet(input_size=11, kernel_size=4, width=0.01, num_classes=3)
    trainer = tn.Trainer(model, optim.Adam(model.parameters()), model.loss, "accuracy", device="cuda")
    return trainer, images(rng, 11, count=2, classes=3)


PROBLEMS = {
    "LeNet-5": lenet5,
    "LeNet-5 in TF32": lenet5_in_tf32,
    "batch norm": batch_norm,
    "CRNN": crnn,
    "capsules": capsules,
}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_nothing_waits_in_a_training_step(problem, watched, rng):
    trainer, batch = problem(rng)
    place, metrics, watch = Placement(trainer.model), fresh(trainer.metrics), LossWatch()
    for _ in range(3):  # until kernels are compiled and loaded, and the pools hold what a step takes
        trainer.train_on_batch(place(batch), metrics, "one of the first batches", watch)
    watch.look()
    before = {metric.name: metric.result() for metric in metrics}
    with watched() as waits:
        trainer.train_on_batch(place(batch), metrics, "the last batch", watch)
    assert waits == []
    watch.look()
    after = {metric.name: metric.result() for metric in metrics}
    assert np.isfinite([*before.values(), *after.values()]).all()
    assert after["loss"] != before["loss"]


def waits_of(action, *data):
    with watched_synchronisations() as waits:
        action(*data, batch_size=16)
    return [wait.what for wait in waits]


def fit(*data, batch_size):
    make_trainer(device="cuda").fit(*data, batch_size=batch_size, verbose=0)


def test_an_epoch_waits_as_often_with_many_batches_as_with_few(cuda_stand_in):
    few, many = (waits_of(fit, *three_classes(samples)) for samples in (32, 96))
    assert few == many
    assert 0 < len(few) < 5


def test_evaluation_waits_at_its_end_only(cuda_stand_in):
    trainer = make_trainer(device="cuda")
    few, many = (waits_of(trainer.evaluate, *three_classes(samples)) for samples in (16, 48))
    assert few == many
    assert 0 < len(few) < 5
    assert len(waits_of(trainer.predict, three_classes(48)[0])) == 3, "an output for each batch"


def test_figures_are_those_of_the_processor(cuda):
    x, y = three_classes(80)
    metrics = [
        "accuracy",
        tn.training.TopKAccuracy(2),
        tn.training.resolve_metric(mean_score),
        largest_scores,
    ]
    found, expected = (
        make_trainer(device=device, metrics=metrics).evaluate(x, y, 32) for device in ("cuda", "cpu")
    )
    assert found == pytest.approx(expected, rel=1e-5)


def mean_score(output, target):
    return output.mean()


def largest_scores(output, target):
    return output.max(axis=-1)


def test_a_loss_that_is_not_finite_is_noticed_before_anything_is_saved(cuda, tmp_path):
    x, y = three_classes(64)
    x[40] = np.nan
    trainer = make_trainer(device="cuda")
    callbacks = [tn.training.Checkpoint(tmp_path / "c"), tn.training.KeepBest(path=tmp_path / "w")]
    with pytest.raises(AnomalyError, match="the loss is nan in epoch 1, batch 3 of 4; lower"):
        trainer.fit(x, y, batch_size=16, shuffle=False, callbacks=callbacks, verbose=0)
    assert list(tmp_path.iterdir()) == []


def test_a_batch_by_itself_is_checked_at_once(cuda):
    trainer = make_trainer(device="cuda")
    x, y = three_classes(8)
    batch = Placement(trainer.model)((x * np.nan, y))
    before = trainer.model.state_dict()["0.weight"].numpy()
    with pytest.raises(AnomalyError, match="the loss is nan in this batch"):
        trainer.train_on_batch(batch)
    np.testing.assert_array_equal(trainer.model.state_dict()["0.weight"].numpy(), before)


def test_losses_are_looked_at_when_there_are_many(cuda):
    watch = LossWatch()
    loss = tn.tensor(np.inf, device="cuda").data
    watch.note(loss, "batch 1")
    fine = tn.tensor(0.5, device="cuda").data
    with pytest.raises(AnomalyError, match="inf in batch 1;"):
        for number in range(1000):
            watch.note(fine, f"batch {number}")
    watch.look()
