"""Trainer: fit, evaluate, predict, and what they accept."""

import numpy as np
import pytest
from training_problems import (
    assert_same_numbers,
    make_model,
    make_trainer,
    snapshot,
    three_classes,
    without_times,
)

import tinynet as tn
from tinynet import functional as F
from tinynet import nn, optim
from tinynet.data import ArrayDataset, DataLoader, ImageSplit
from tinynet.errors import AnomalyError, ArgumentError, DTypeError, ShapeError
from tinynet.training import Callback, L2Penalty
from tinynet_kernels import memory


def softmax_regression(rate=0.1, dtype=np.float64, **options):
    tn.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 3)).to(dtype)
    return tn.Trainer(model, optim.SGD(model.parameters(), lr=rate), F.cross_entropy, **options)


def test_fit_learns():
    x, y = three_classes(300)
    trainer = make_trainer()
    history = trainer.fit(x, y, validation_data=three_classes(100, seed=1), epochs=12, verbose=0)
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["val_accuracy"][-1] > 0.85
    assert history["epoch"] == list(range(1, 13))
    assert history.columns == [
        *("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"),
        "peak_memory",
    ]


def test_the_peak_of_memory_is_that_of_each_epoch():
    class Held(Callback):
        """Holds 8 MiB for a moment, in the second epoch only."""

        def on_batch_end(self, fit):
            if fit.epoch == 1:
                memory.empty((2048, 1024), np.float32)

    x, y = three_classes(40)
    usual, held, after = make_trainer().fit(x, y, epochs=3, callbacks=[Held()], verbose=0)["peak_memory"]
    assert held == pytest.approx(usual + 8, abs=1)
    assert after == usual


def test_evaluate_and_predict_agree_with_the_model_in_eval_mode():
    x, y = three_classes(70)
    trainer = make_trainer()
    trainer.fit(x, y, epochs=1, verbose=0)
    output = trainer.predict(x, batch_size=16)
    trainer.model.eval()
    expected = trainer.model(tn.tensor(x))
    trainer.model.train()
    np.testing.assert_allclose(output, expected.numpy(), rtol=1e-5, atol=1e-6)
    found = trainer.evaluate(x, y, batch_size=16)
    assert found["loss"] == pytest.approx(F.cross_entropy(expected, tn.tensor(y)).item(), rel=1e-5)
    assert found["accuracy"] == pytest.approx(np.mean(output.argmax(axis=1) == y))
    assert set(found) == {"loss", "accuracy"}


def test_evaluation_changes_nothing():
    x, y = three_classes(40)
    trainer = make_trainer()
    trainer.model[1].eval()
    before = snapshot(trainer)
    random_state = tn.default_generator().get_state()
    trainer.evaluate(x, y)
    trainer.predict(x)
    assert_same_numbers(snapshot(trainer), before)
    assert tn.default_generator().get_state() == random_state
    assert [module.training for module in trainer.model] == [True, False, True, True, True, True]
    assert all(parameter.grad is None for parameter in trainer.model.parameters())


def test_averages_are_weighted_by_samples():
    x, y = three_classes(10)
    trainer = softmax_regression(rate=0.0)
    history = trainer.fit(x, y, batch_size=4, epochs=1, verbose=0)  # 4 + 4 + 2
    whole = F.cross_entropy(trainer.model(tn.tensor(x.astype(np.float64))), tn.tensor(y)).item()
    assert history["loss"][0] == pytest.approx(whole, rel=1e-12)
    assert trainer.evaluate(x, y, batch_size=3)["loss"] == pytest.approx(whole, rel=1e-12)


def test_one_step_is_the_bare_loop():
    x, y = three_classes(12)
    x = x.astype(np.float64)
    trainer = softmax_regression(metrics=())
    weight, bias = (parameter.numpy().copy() for parameter in trainer.model.parameters())
    trainer.fit(x, y, batch_size=12, epochs=1, shuffle=False, verbose=0)
    scores = x @ weight + bias
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    error = (probabilities - np.eye(3)[y]) / 12
    np.testing.assert_allclose(trainer.model[0].weight.numpy(), weight - 0.1 * x.T @ error, rtol=1e-10)
    np.testing.assert_allclose(trainer.model[0].bias.numpy(), bias - 0.1 * error.sum(axis=0), atol=1e-12)


def test_arrays_tensors_lists_data_sets_and_loaders_are_the_same():
    x, y = three_classes(50)
    data_set = ArrayDataset(x, y)
    forms = [
        (x, y),
        (tn.tensor(x), tn.tensor(y)),
        (x.tolist(), y.tolist()),
        (data_set,),
        (DataLoader(data_set, batch_size=16, shuffle=True, seed=3),),
    ]
    results = []
    for form in forms:
        trainer = make_trainer()
        history = trainer.fit(*form, epochs=2, batch_size=16, seed=3, verbose=0)
        results.append((without_times(history), snapshot(trainer), trainer.evaluate(*form)))
    for history, numbers, figures in results[1:]:
        assert history == results[0][0]
        assert_same_numbers(numbers, results[0][1])
        assert figures == pytest.approx(results[0][2])
    np.testing.assert_array_equal(trainer.predict(data_set), trainer.predict(x))


def test_workers_and_seeds():
    x, y = three_classes(60)

    def weights(**options):
        trainer = make_trainer()
        trainer.fit(x, y, epochs=2, batch_size=8, verbose=0, **options)
        return snapshot(trainer)

    assert_same_numbers(weights(workers=2), weights())
    assert not np.array_equal(weights(seed=1)["model 0.weight"], weights()["model 0.weight"])
    assert not np.array_equal(weights(shuffle=False)["model 0.weight"], weights()["model 0.weight"])


def test_pixels_and_dtypes():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4), dtype=np.uint8)
    trainer = softmax_regression(dtype=np.float32)
    scaled = trainer.predict((pixels / 255).astype(np.float32))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(trainer.predict(pixels), scaled, rtol=1e-6)
    np.testing.assert_allclose(trainer.predict(pixels / 255), scaled, rtol=1e-6)
    split = ImageSplit(pixels, np.zeros(20, np.int64))
    assert trainer.evaluate(split) == trainer.evaluate(pixels, np.zeros(20, np.int64))
    assert softmax_regression().predict(pixels).dtype == np.float64


def test_words_stay_integers():
    model = nn.Sequential(nn.Embedding(10, 3), nn.Flatten(), nn.Linear(6, 2))
    words = np.arange(10).reshape(5, 2)
    assert tn.Trainer(model).predict(words).shape == (5, 2)


def test_epochs_of_a_given_length_follow_each_other_through_the_data():
    seen = []

    class Watch(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(np.ones(1))

        def forward(self, x):
            seen.append(x.numpy()[:, 0].astype(int).tolist())
            return x * self.scale

    model = Watch()
    trainer = tn.Trainer(model, optim.SGD(model.parameters(), lr=0.0), lambda output: output.mean())
    numbers = ArrayDataset(np.arange(10.0)[:, None])
    history = trainer.fit(numbers, batch_size=4, epochs=3, steps_per_epoch=2, shuffle=False, verbose=0)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert history["loss"] == pytest.approx([3.5, np.mean([8, 9, 0, 1, 2, 3]), np.mean([4, 5, 6, 7, 8, 9])])
    assert model.training


def test_several_outputs_and_targets():
    class Two(nn.Module):
        def __init__(self):
            self.first, self.second = nn.Linear(4, 2), nn.Linear(4, 3)

        def forward(self, x):
            return self.first(x), self.second(x)

    def loss(outputs, a, b):
        return F.mse_loss(outputs[0], a) + F.mse_loss(outputs[1], b)

    model = Two()
    data_set = ArrayDataset(np.ones((9, 4)), np.zeros((9, 2)), np.ones((9, 3)))
    trainer = tn.Trainer(model, optim.SGD(model.parameters(), lr=0.1), loss)
    history = trainer.fit(data_set, epochs=5, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    first, second = trainer.predict(data_set, batch_size=4)
    assert (first.shape, second.shape) == ((9, 2), (9, 3))


def test_regularizer_is_part_of_the_loss():
    x, y = three_classes(12)
    plain, penalised = softmax_regression(), softmax_regression(regularizer=L2Penalty(0.5))
    square = float((plain.model[0].weight.numpy() ** 2).sum())
    difference = penalised.evaluate(x, y)["loss"] - plain.evaluate(x, y)["loss"]
    assert difference == pytest.approx(0.5 * square)
    before = plain.model[0].weight.numpy().copy()
    for trainer in (plain, penalised):
        trainer.fit(x, y, batch_size=12, epochs=1, shuffle=False, verbose=0)
    pull = plain.model[0].weight.numpy() - penalised.model[0].weight.numpy()
    np.testing.assert_allclose(pull, 0.1 * 2 * 0.5 * before, rtol=1e-9)
    with pytest.raises(ArgumentError, match=r"no parameter '1\.weight'; it has 0\.weight, 0\.bias"):
        L2Penalty(0.5, ["1.weight"])(plain.model)


def test_gradients_are_clipped():
    x, y = three_classes(12)
    trainer = softmax_regression(rate=1.0, clip_norm=1e-3)
    before = [parameter.numpy().copy() for parameter in trainer.model.parameters()]
    trainer.fit(x, y, batch_size=12, epochs=1, verbose=0)
    moved = [p.numpy() - old for p, old in zip(trainer.model.parameters(), before, strict=True)]
    assert np.sqrt(sum((part**2).sum() for part in moved)) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize(("every", "steps"), [("epoch", 3), ("batch", 12)])
def test_schedule_is_stepped(every, steps):
    x, y = three_classes(32)
    trainer = softmax_regression(rate=1.0)
    trainer = softmax_regression(schedule=optim.ExponentialLR(trainer.optimizer, 0.5), schedule_every=every)
    schedule = trainer.schedule.schedule
    trainer.fit(x, y, batch_size=8, epochs=3, verbose=0)
    assert schedule.count == steps
    with pytest.raises(ArgumentError, match="every should be 'epoch' or 'batch', not 'day'"):
        softmax_regression(schedule=schedule, schedule_every="day")


def test_history_has_the_rate_that_was_used():
    x, y = three_classes(32)
    tn.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    history = tn.Trainer(model, optimizer, F.cross_entropy, schedule=schedule).fit(x, y, epochs=3, verbose=0)
    assert history["learning_rate"] == [1.0, 0.5, 0.25]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_stops_before_the_step():
    x, y = three_classes(24)
    x[17] = np.nan
    trainer = softmax_regression()

    class Remember(Callback):
        def on_batch_end(self, fit):
            self.weight = fit.model[0].weight.numpy().copy()

    remember = Remember()
    with pytest.raises(AnomalyError, match="the loss is nan in epoch 1, batch 3 of 3"):
        trainer.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[remember])
    np.testing.assert_array_equal(trainer.model[0].weight.numpy(), remember.weight)
    lenient = softmax_regression(stop_on_nan=False)
    assert np.isnan(lenient.fit(x, y, batch_size=8, shuffle=False, verbose=0)["loss"][0])


def test_modes_are_put_back_also_after_an_error():
    x, y = three_classes(8)
    trainer = make_trainer()
    trainer.model.eval()
    trainer.fit(x, y, verbose=0)
    assert not any(module.training for module in trainer.model.modules())
    with pytest.raises(ArgumentError):
        trainer.fit(x, y + 5, verbose=0)
    assert not any(module.training for module in trainer.model.modules())


def test_clear_errors():
    x, y = three_classes(8)
    trainer = make_trainer()
    with pytest.raises(ShapeError, match=r"fit: x and y need the same length on axis 0, not shapes \(8, 4\)"):
        trainer.fit(x, y[:7])
    with pytest.raises(ArgumentError, match="fit: there is not a single batch in 0 samples"):
        trainer.fit(x[:0], y[:0])
    with pytest.raises(ArgumentError, match="evaluate: y is given, but x is a DataLoader"):
        trainer.evaluate(DataLoader(ArrayDataset(x, y)), y)
    with pytest.raises(ArgumentError, match="x should be an array, a data set or a DataLoader, not dict"):
        trainer.predict({"x": x})
    with pytest.raises(ArgumentError, match="fit: epochs should be an integer of at least 0, not -1"):
        trainer.fit(x, y, epochs=-1)
    with pytest.raises(ArgumentError, match="validation_data should be a pair"):
        trainer.fit(x, y, validation_data=(x, y, y))
    with pytest.raises(ArgumentError, match="fit: the trainer has no optimizer"):
        tn.Trainer(make_model(), None, F.cross_entropy).fit(x, y)
    with pytest.raises(ArgumentError, match="evaluate: the trainer needs a loss"):
        tn.Trainer(make_model()).evaluate(x, y)
    with pytest.raises(ArgumentError, match="clip_norm must be positive, not 0"):
        make_trainer(clip_norm=0)
    trainer.loss = lambda output, target: F.cross_entropy(output, target, reduction="none")
    with pytest.raises(ShapeError, match=r"the loss returned shape \(8,\), but one number is needed"):
        trainer.evaluate(x, y)
    trainer.loss = lambda output, target: 0.5
    with pytest.raises(DTypeError, match="the loss returned float, but it should return a tensor"):
        trainer.evaluate(x, y)
