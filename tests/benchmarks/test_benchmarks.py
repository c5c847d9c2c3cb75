"""The benchmarks' own arithmetic: what is timed, compared, and shown. No figure of any machine is tested."""

import itertools
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are not installed with the package

import tinynet as tn
from benchmarks import convolutions, inference, layers, optimizers, picture, products, timing, training_steps
from benchmarks.comparison import (
    OURS,
    Comparison,
    DisagreementError,
    Outcome,
    check_agreement,
    chosen,
    measure,
)
from benchmarks.machine import Peaks, best_of
from benchmarks.networks import NETWORKS
from benchmarks.pytorch import FORMATS, as_in_pytorch, memory_formats, require_compiler
from benchmarks.report import as_markdown, part_of_peak
from benchmarks.timing import Timing, interleaved
from tinynet_kernels import pinned

PEAKS = {"flops": {1: 50e9, 2: 100e9}, "bandwidth": 20e9, "threads": 2}


def seconds(median):
    return Timing(median, 0.9 * median, 1.1 * median)


@pytest.fixture
def outcome():
    return Outcome(
        *("a product", "products", {OURS: seconds(0.02), "fast": seconds(0.03), "slow": seconds(0.1)}),
        floating_operations=10**9,
        bytes=10**6,
    )


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until the test moves it."""
    now = [0.0]
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])
    return now


def test_every_candidate_has_as_many_turns_and_none_is_always_first(clock):
    order = []

    def candidate(name, duration):
        def run():
            order.append(name)
            clock[0] += duration

        return run

    timings = interleaved({"a": candidate("a", 1.0), "b": candidate("b", 2.0)}, rounds=4, warmup=1)
    # Every turn begins with a call that is not timed.
    assert order == ["a", "b", *"aabb", *"bbaa", *"aabb", *"bbaa"]
    assert timings["a"].median == pytest.approx(1.0)
    assert timings["b"].median == pytest.approx(2.0)


def test_a_turn_of_a_fast_function_is_many_calls_and_the_time_is_that_of_one(clock):
    calls = itertools.count()

    def run():
        next(calls)
        clock[0] += 0.001

    timings = interleaved({"fast": run}, rounds=2, warmup=0, least_seconds=0.02)
    assert timings["fast"].median == pytest.approx(0.001)
    assert next(calls) >= 40


def test_the_ratio_is_that_to_the_best_rival(outcome):
    assert outcome.best_rival[0] == "fast"
    assert outcome.ratio == pytest.approx(1.5)


def test_without_pytorch_there_is_no_ratio():
    alone = Outcome("a product", "products", {OURS: seconds(0.02)})
    assert alone.best_rival is None
    assert alone.ratio is None


def test_the_part_of_the_peak_is_that_of_the_tighter_bound(outcome):
    assert part_of_peak(outcome, PEAKS) == "50% of FLOP/s"
    moving = Outcome("a copy", "copies", {OURS: seconds(0.02)}, bytes=10**8)
    assert part_of_peak(moving, PEAKS) == "25% of bandwidth"


def test_the_peak_is_the_better_of_two_measurements():
    first, second = Peaks({1: 3.0, 2: 5.0}, 7.0, 2), Peaks({1: 4.0, 2: 4.0}, 6.0, 2)
    assert best_of(first, second) == Peaks({1: 4.0, 2: 5.0}, 7.0, 2)


def test_candidates_that_disagree_are_reported_and_not_timed():
    def prepare():
        check_agreement({OURS: np.ones(3), "other": np.array([1.0, 1.0, 1.1])}, 1e-3)

    (outcome,) = measure([Comparison("a sum", "sums", prepare)], rounds=2)
    assert "other differ by" in outcome.problem
    assert outcome.seconds == {}
    assert outcome.ratio is None


@pytest.mark.parametrize("theirs", [np.ones((3, 1)), np.full(3, np.nan)], ids=["shape", "NaN"])
def test_another_shape_or_nan_is_a_disagreement(theirs):
    with pytest.raises(DisagreementError):
        check_agreement({OURS: np.ones(3), "other": theirs}, 1e-3)


def test_names_choose_comparisons():
    everything = convolutions.comparisons()
    names = {comparison.full_name for comparison in chosen(everything, ["Weight Grad"])}
    assert names == {c.full_name for c in everything if c.variant == "weight gradient"}
    assert chosen(everything, None) == everything


def test_no_two_comparisons_have_one_name():
    parts = (convolutions, products, layers, optimizers)
    everything = [*training_steps.comparisons(), *inference.comparisons()]
    everything += [c for part in parts for c in part.comparisons(full=True)]
    names = [(comparison.group, comparison.full_name) for comparison in everything]
    assert len(set(names)) == len(names)


def test_the_tables_hold_every_outcome(outcome):
    problem = Outcome("a sum", "sums", {}, problem="they differ")
    results = {
        "date": "2024-02-29",
        "machine": {"processor": "an abacus", "cores": 2, "python": "3.11", "versions": {"numpy": "2.0"}},
        "peaks": PEAKS,
        "rounds": 7,
        "memory": {"LeNet-5": {OURS: {"bytes": 2**20}, FORMATS[0]: {"bytes": 2**21}}},
        "startup": {"LeNet-5": {"first_run": 8.0, "later_run": 0.25}},
        "interplay": {"pooling": {"kernel": 1e-3, "numpy": 1e-3, "alternating": 2.1e-3, "lost": 0.05}},
    }
    text = as_markdown(results, [outcome, problem])
    for expected in (
        "an abacus",
        "**1.50**",
        "50% of FLOP/s",
        "they differ",
        "| 1 | 2 | 50% |",
        "Medians of 7 or more interleaved rounds",
        "+5%",
        "| 8.0 | 0.25",
    ):
        assert expected in text


def test_tables_of_short_times_are_in_microseconds():
    short = Outcome("an addition", "graph", {OURS: seconds(2e-6), "fast": seconds(3e-6)})
    results = {
        "date": "2024-02-29",
        "machine": {"processor": "an abacus", "cores": 2, "python": "3.11", "versions": {}},
        "peaks": PEAKS,
        "rounds": 7,
    }
    text = as_markdown(results, [short])
    assert "| tinynet, µs |" in text
    assert "| 2.00 ± 0.20 |" in text


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_the_caption_says_whether_pytorchs_compiler_took_part(compiled):
    name = "PyTorch NCHW, compiled" if compiled else "PyTorch NCHW"
    machine = {"processor": "an abacus", "cores": 2, "python": "3.11", "versions": {}}
    results = {"date": "2024-02-29", "machine": machine, "peaks": PEAKS}
    caption = picture._caption(results, [Outcome("a step", "steps", {OURS: seconds(1), name: seconds(2)})])
    assert ("compiled" in caption) == compiled


def test_without_a_compiler_the_run_ends_at_once(monkeypatch, torch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"needs a C\+\+ compiler"):
        require_compiler()


def test_the_picture_can_be_drawn_from_the_json(outcome, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    from benchmarks.picture import draw, outcomes_from_json

    stored = json.loads(json.dumps({"comparisons": [asdict(outcome)]}))
    assert outcomes_from_json(stored) == [outcome]
    machine = {"processor": "an abacus", "cores": 2, "python": "3.11", "versions": {}}
    results = {"date": "2024-02-29", "machine": machine, "peaks": PEAKS}
    draw(tmp_path / "cpu.png", results, outcomes_from_json(stored))
    assert (tmp_path / "cpu.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NETWORKS)
def test_twins_compute_the_same(name, torch):
    network = NETWORKS[name]
    model = network.in_tinynet().eval()
    images = tn.tensor(network.batch()[0][:2])
    with pinned("reference"), tn.no_grad():
        expected = model(images).numpy()
    for memory_format in memory_formats().values():
        twin = network.in_pytorch(model, memory_format).eval()
        found = twin(network.batch_in_pytorch(memory_format)[0][:2]).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_dense_weights_after_flattening_follow_pytorchs_order(torch, rng):
    images = rng.standard_normal((2, 3, 4, 5))
    weight = rng.standard_normal((60, 7))
    flat = np.moveaxis(images, -1, 1).reshape(2, -1)
    found = flat @ as_in_pytorch(weight, (3, 4, 5)).numpy().T
    np.testing.assert_allclose(found, images.reshape(2, -1) @ weight, rtol=0, atol=1e-12)


@pytest.fixture
def torch():
    """PyTorch on one thread, as in the tests of parity."""
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)
