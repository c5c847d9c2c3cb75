"""The arithmetic studies: their models, what short trainings reach, and the files they leave."""

import csv

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, recipes
from tinynet.recipes.arithmetic import counting, identity, operations, spoken_numbers, timekeeping
from tinynet.recipes.arithmetic.stacked import StackedLinear, StackedNAC, StackedNALU, sum_of_models
from tinynet.recipes.arithmetic.tables import markdown_table
from tinynet.recipes.arithmetic.tasks import NUMBERS, OPERATIONS, SECTIONS


def options(folder, **choice):
    return recipes.Options(**{"epochs": 1, "batch_size": 16, "verbose": 0, "folder": folder, **choice})


def conduct(name, folder, **choice):
    """Runs a study, checks what all of them leave, and returns the results."""
    report = recipes.run(recipes.get(name), options(folder, **choice))
    assert report["status"] == "finished"
    assert all(np.isfinite(value) for value in report["results"].values())
    (table,) = folder.glob("*.md")
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith("| --- |") for line in lines)
    return report["results"]


# Layers of many models


@pytest.mark.parametrize(
    ("stacked", "single"), [(StackedLinear, nn.Linear), (StackedNAC, nn.NAC), (StackedNALU, nn.NALU)]
)
def test_stacked_layers_are_single_ones_side_by_side(stacked, single, rng):
    layers, layer = stacked((2, 3), 4, 5).to("float64"), single(4, 5).to("float64")
    x = tn.tensor(rng.uniform(0.5, 2, (2, 3, 7, 4)), requires_grad=True)
    losses = layers(x)
    assert losses.shape == (2, 3, 7, 5)
    sum_of_models(losses).backward()
    values = dict(layers.named_parameters())
    for model in np.ndindex(2, 3):
        for name, parameter in layer.named_parameters():
            parameter.data[...] = values[name].numpy()[model].reshape(parameter.shape)
        alone = tn.tensor(x.numpy()[model], requires_grad=True)
        layer.zero_grad()
        layer(alone).mean().backward()
        np.testing.assert_allclose(losses.numpy()[model], layer(alone).numpy(), rtol=1e-12)
        np.testing.assert_allclose(x.grad.numpy()[model], alone.grad.numpy(), rtol=1e-9, atol=1e-15)
        for name, parameter in layer.named_parameters():
            gradient = values[name].grad.numpy()[model].reshape(parameter.shape)
            np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-9, atol=1e-15)


def test_stacked_weights_start_as_those_of_a_single_layer():
    weight = StackedLinear((50,), 30, 20).weight.numpy()
    bound = np.sqrt(6 / 50)
    assert np.abs(weight).max() <= bound
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)


def test_a_table():
    lines = markdown_table(("name", "number"), [("a", 1), ("b", 2.5)]).splitlines()
    assert lines == ["| name | number |", "| --- | ---: |", "| a | 1 |", "| b | 2.5 |"]


# The identity


@pytest.mark.parametrize("kind", [*identity.ACTIVATIONS, *identity.LINEAR])
def test_an_autoencoder_of_each_kind(kind):
    model = identity.Autoencoder(kind, 3)
    x = tn.tensor(np.linspace(-3, 3, 15, dtype=np.float32).reshape(3, 5, 1))
    output = model(x)
    assert output.shape == (3, 5, 1)
    sum_of_models(output).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_activations_that_are_no_functions_of_the_library():
    x = tn.tensor([-2.0, -0.4, 0.3, 1.5])
    np.testing.assert_allclose(identity.tanhshrink(x).numpy(), x.numpy() - np.tanh(x.numpy()), rtol=1e-6)
    np.testing.assert_allclose(identity.hardshrink(x).numpy(), [-2, 0, 0, 1.5])
    np.testing.assert_allclose(identity.softshrink(x).numpy(), [-1.5, 0, 0, 1], atol=1e-7)
    slopes = identity.StackedPReLU(2)
    slopes.weight.data[:, 0, 0] = [0.5, 2]
    both = slopes(tn.tensor([[[-1.0], [3.0]], [[-1.0], [3.0]]])).numpy()[..., 0]
    np.testing.assert_allclose(both, [[-0.5, 3], [-2, 3]])


def test_the_identity_is_held_outside_by_nac_alone(small_sets, monkeypatch):
    monkeypatch.setattr(identity, "STEPS_PER_EPOCH", 400)
    monkeypatch.setattr(identity, "MODELS", 3)
    kept = {kind: identity.ACTIVATIONS[kind] for kind in ("Tanh", "ReLU6")}
    monkeypatch.setattr(identity, "ACTIVATIONS", kept)
    results = conduct("nalu-identity", small_sets / "run", batch_size=64)
    assert results["nac_share_of_random_error"] < 1e-3
    assert results["activations_that_fail"] == 2
    assert results["least_error_outside_of_an_activation"] > 1


# Operations


def solved(kind, task, seeds, **settings):
    """How many seeds have learnt each operation."""
    tn.manual_seed(0)
    generator = np.random.default_rng(0)
    sections = task.draw_sections(seeds, generator)
    model = operations.Calculators(kind, seeds, task.size)
    operations.train(model, task, sections, settings, generator)
    x, results = task.draw(sections, 500, task.outside, generator)
    shares = operations.measure(model, x, results) / results.var(axis=(2, 3))
    return dict(zip(OPERATIONS, (shares < operations.SOLVED).sum(axis=1), strict=True))


def test_nac_learns_sums_and_differences_and_nothing_else():
    counts = solved("NAC", NUMBERS, 4, epochs=1, batch_size=32, learning_rate=0.2)
    assert counts == {"a + b": 4, "a − b": 4, "a · b": 0, "a / b": 0, "a²": 0, "√a": 0}


@pytest.mark.slow
def test_nac_finds_the_sections_that_are_to_be_subtracted():
    counts = solved("NAC", SECTIONS, 2, epochs=2, batch_size=32, learning_rate=0.05)
    assert counts["a − b"] == 2
    assert counts["a · b"] == 0


@pytest.mark.slow
def test_nalu_learns_products():
    counts = solved("NALU", NUMBERS, 6, epochs=4, batch_size=64, learning_rate=0.2)
    assert counts["a · b"] >= 2
    assert counts["a / b"] >= 2


def test_networks_that_overflow_count_as_failures(rng):
    x, results = NUMBERS.draw(NUMBERS.draw_sections(2, rng), 5, NUMBERS.outside, rng)
    model = operations.Calculators("NALU", 2, 2)
    model.first.gate.data[:] = -100
    model.first.accumulator.weight_hat.data[:] = 100
    model.first.accumulator.mask_hat.data[:] = np.inf
    model.second.accumulator.mask_hat.data[0, 0] = np.nan
    errors = operations.measure(model, x, results)
    assert errors.shape == (len(OPERATIONS), 2)
    assert np.isinf(errors[0, 0])
    assert not np.isnan(errors).any()


def test_the_study_of_operations(small_sets, monkeypatch):
    monkeypatch.setattr(operations, "STEPS_PER_EPOCH", 20)
    monkeypatch.setattr(operations, "SEEDS", 2)
    results = conduct("nalu-arithmetic", small_sets / "run")
    rows = list(csv.DictReader((small_sets / "run" / "errors.csv").read_text("utf-8").splitlines()))
    assert len(rows) == len(operations.KINDS) * len(OPERATIONS) * 2
    products = [row for row in rows if (row["network"], row["operation"]) == ("NALU", "a · b")]
    best = min(products, key=lambda row: float(row["error_inside"]))
    assert results["nalu_product_error_outside"] == pytest.approx(float(best["error_outside"]))


# Counting


def test_a_nac_with_weights_of_one_counts_any_number_of_images(rng):
    head = counting.AccumulatorHead(3)
    head.accumulator.mask_hat.data[:] = 100
    head.accumulator.weight_hat.data[:] = 100 * np.eye(3)
    classes = rng.integers(0, 3, (4, 1000))
    images = np.eye(3, dtype=np.float32)[classes]
    np.testing.assert_array_equal(head(tn.tensor(images)).numpy(), images.sum(axis=1))


@pytest.mark.parametrize("head", list(counting.HEADS))
@pytest.mark.parametrize("name", list(counting.TASKS))
def test_a_counter_reads_sequences_of_any_length(name, head, rng):
    task = counting.TASKS[name]
    model = counting.Counter(task, head, (28, 28, 1))
    for length in (1, 3):
        images = rng.random((2, length, 28, 28, 1), dtype=np.float32)
        assert model(tn.tensor(images)).shape == (2, task.outputs)


def test_the_study_of_counting(small_sets, monkeypatch):
    monkeypatch.setattr(counting, "STEPS_PER_EPOCH", 3)
    monkeypatch.setattr(counting, "TEST_LENGTHS", {10: 5, 20: 3, 1000: 1})
    results = conduct("nalu-counting", small_sets / "run")
    ratio = results["count_nac_error_at_1000"] / results["count_lstm_error_at_1000"]
    assert results["count_nac_to_lstm_at_1000"] == pytest.approx(ratio)


# Spoken numbers


def test_words_beyond_the_end_do_not_matter(rng):
    model = spoken_numbers.NumberReader("NALU")
    words, lengths = spoken_numbers.encode([5, 515, 999])
    expected = model(words, lengths).numpy()
    words[0, lengths[0] :] = 3
    np.testing.assert_array_equal(model(words, lengths).numpy(), expected)


def test_the_study_of_spoken_numbers(small_sets, monkeypatch):
    monkeypatch.setattr(spoken_numbers, "STEPS_PER_EPOCH", 5)
    monkeypatch.setattr(spoken_numbers, "SEEDS", 1)
    results = conduct("nalu-numbers", small_sets / "run")
    rows = list(csv.DictReader((small_sets / "run" / "answers.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 630
    error = np.mean([abs(float(row["NALU"]) - int(row["number"])) for row in rows])
    assert results["nalu_test_error"] == pytest.approx(error, rel=1e-4)


# The grid


def shortest_way(positions, goals):
    """The move towards the goal, rows first."""
    rows, columns = (goals - positions).T
    vertical = np.where(rows > 0, 2, 1)
    return np.where(rows != 0, vertical, np.where(columns > 0, 4, 3))


class PunctualAgent:
    """Waits until there is just enough time left."""

    def clock(self, times, steps):
        return tn.tensor((times[:, np.newaxis] - np.arange(steps))[..., np.newaxis].astype(np.float32))

    def __call__(self, ways, clock):
        offsets = np.stack(np.divmod(ways, 9), axis=1) - 4
        late = np.abs(offsets).sum(axis=1) >= clock.numpy()[:, 0]
        actions = np.where(late, shortest_way(0, offsets), 0)
        return tn.tensor(np.eye(5, dtype=np.float32)[actions]), None


@pytest.mark.parametrize("time", [1, 5, 12, 40])
def test_an_agent_that_knows_the_rules_is_always_on_time(time, rng):
    episodes = timekeeping.play(PunctualAgent(), np.full(50, time), rng, greedy=True)
    assert episodes.rewards.tolist() == [1.0] * 50
    assert episodes.running[:, 0].all()
    assert (episodes.running.sum(axis=1) == episodes.times).all()


@pytest.mark.parametrize("clock", list(timekeeping.CLOCKS))
def test_the_gradient_raises_what_was_rewarded(clock, rng):
    tn.manual_seed(0)
    agent = timekeeping.Agent(clock)
    episodes = timekeeping.play(agent, rng.integers(5, 13, 64), rng)
    rewarded = timekeeping.Episodes(
        episodes.times, episodes.ways, episodes.actions, episodes.running, np.ones(64, np.float32)
    )

    def likelihood():
        logits, _ = agent(episodes.ways, agent.clock(episodes.times, episodes.ways.shape[1]))
        chosen = tn.functional.gather(
            tn.functional.log_softmax(logits), episodes.actions[..., np.newaxis], -1
        )
        return float((chosen.numpy()[..., 0] * episodes.running).sum())

    before = likelihood()
    optimizer = agent.optimizer(1e-3)
    for _ in range(5):
        loss = timekeeping.policy_loss(agent, rewarded, 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert likelihood() > before


def test_the_last_time_is_the_one_before_the_first_failure():
    times = timekeeping.TESTED_TIMES
    rewards = np.ones(len(times))
    assert timekeeping._last_time(rewards) == times[-1]
    rewards[times.index(20)] = 0.5
    assert timekeeping._last_time(rewards) == 17
    rewards[times.index(13)] = 0
    assert timekeeping._last_time(rewards) == 12


def test_the_study_of_times(small_sets, monkeypatch):
    monkeypatch.setattr(timekeeping, "STEPS_PER_EPOCH", 2)
    monkeypatch.setattr(timekeeping, "TEST_EPISODES", 10)
    monkeypatch.setattr(timekeeping, "SEEDS", 1)
    results = conduct("nalu-gridworld", small_sets / "run")
    gain = results["nac_reward_outside"] - results["lstm_reward_outside"]
    assert results["nac_gain_over_lstm_outside"] == pytest.approx(gain)


# All of them


def test_pictures(tmp_path, rng):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    points, heads = np.linspace(-20, 20, 9), list(counting.HEADS)
    errors = {(name, head): {10: 1.0, 100: 2.0} for name in counting.TASKS for head in heads}
    both = rng.uniform(0, 1, (2, len(OPERATIONS), 3))
    both[1, 0, 0] = np.inf
    drawings = {
        identity: (
            points,
            {"Tanh": rng.uniform(1, 2, 9), "NAC": rng.uniform(1, 2, 9)},
        ),
        operations: (dict.fromkeys(operations.KINDS, both),),
        counting: (errors,),
        spoken_numbers: (points, dict.fromkeys(spoken_numbers.HEADS, points)),
        timekeeping: ({"NAC": rng.uniform(0, 1, (2, len(timekeeping.TESTED_TIMES)))},),
    }
    for study, arguments in drawings.items():
        path = tmp_path / f"{study.__name__}.png"
        study._draw(path, *arguments)
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", ["nalu-identity", "nalu-arithmetic", "nalu-counting", "nalu-numbers", "nalu-gridworld"]
)
def test_every_study_is_known_by_its_name(name):
    study = recipes.get(name)
    assert isinstance(study, recipes.Study)
    assert study.figures
