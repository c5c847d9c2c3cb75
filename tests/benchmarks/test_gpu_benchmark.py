"""The GPU benchmark's preparation, in main memory and with the stand-in for CuPy; no figure is tested."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are not installed with the package

import tinynet as tn
from benchmarks import gpu, gpu_report, place
from benchmarks.comparison import OURS, Comparison, Outcome, chosen
from benchmarks.gpu_machine import describe_gpu, measure_gpu_peaks
from benchmarks.gpu_rows import FULL, TARGETS, TINY, comparisons
from benchmarks.networks import resnet50, vgg16
from benchmarks.pytorch import torch
from benchmarks.timing import Timing
from tinynet_kernels import pinned

RESULTS = {
    "date": "2024-02-29",
    "machine": {
        "gpu": "a large abacus",
        "memory": 2**36,
        "cuda": 13000,
        "driver": 13000,
        "cupy": "14.0",
        "processor": "an abacus",
        "python": "3.12",
        "versions": {"numpy": "2.0"},
    },
    "peaks": {"flops": {"float32": 50e12, "TF32": 400e12, "float16": 800e12}, "bandwidth": 4e12},
    "rounds": 7,
}


def seconds(median):
    return Timing(median, 0.9 * median, 1.1 * median)


def name_of(comparison):
    return f"{comparison.group}: {comparison.full_name}"


@pytest.fixture
def one_thread():
    """PyTorch on one thread, if it is there."""
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


DEEP = (
    "VGG-16",
    "ResNet",
)  # prepared like LeNet-5; what little images leave of rounding is too much for them


@pytest.mark.parametrize(
    "comparison", [c for c in comparisons(TINY) if not c.name.startswith(DEEP)], ids=name_of
)
def test_candidates_can_be_prepared_and_called(comparison, one_thread):
    """Preparing compares their results: with PyTorch's, where it is installed."""
    with place.on("cpu", comparison.precision), pinned("reference"):
        candidates = comparison.prepare()
        assert OURS in candidates
        assert len(candidates) > place.has_pytorch()
        for run in candidates.values():
            run()


@pytest.mark.parametrize("network", [vgg16(1, 64, 3), resnet50(1, 64, 3)], ids=lambda network: network.twin)
def test_twins_of_deep_networks_compute_the_same(network, one_thread):
    pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    model = network.in_tinynet().eval()
    with pinned("reference"), tn.no_grad():
        expected = model(tn.tensor(network.batch()[0])).numpy()
    twin = network.in_pytorch(model, torch.channels_last).eval()
    found = place.as_numpy(twin(network.batch_in_pytorch(torch.channels_last)[0]))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_no_two_comparisons_have_one_name():
    names = [*map(name_of, comparisons(FULL))]
    assert len(set(names)) == len(names)


def test_what_has_a_target_comes_first():
    tasks = comparisons(FULL)
    wanted = [any(task.name.startswith(name) for name in (*TARGETS, "Adam")) for task in tasks]
    assert wanted == sorted(wanted, reverse=True)
    for name in TARGETS:
        assert any(task.name.startswith(name) for task in tasks), name


def test_without_a_gpu_the_run_ends_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(tn, "cuda_is_available", lambda: False)
    with pytest.raises(SystemExit) as caught:
        gpu.main(["--output", str(tmp_path)])
    assert caught.value.code == (
        "benchmarks.gpu: needs a GPU and CuPy; python -m benchmarks measures the CPU"
    )  # which is printed, and the status is 1
    assert not list(tmp_path.iterdir())


@pytest.fixture
def quick(monkeypatch):
    """One call is enough for a turn."""
    monkeypatch.setattr(gpu, "SECONDS_OF_TURN", 0.0)


@pytest.mark.parametrize("name", ["LeNet-5", "CTC", "Adam", "5×7 · 7×6", "cross-entropy"])
def test_comparisons_run_on_the_device(name, cuda_stand_in, quick):
    outcomes = [*gpu.measure_all(chosen(comparisons(TINY), [name]), rounds=2)]
    assert outcomes
    for outcome in outcomes:
        assert outcome.problem is None
        assert outcome.ours is not None
    if name == "LeNet-5":
        assert {OURS, f"{OURS}, captured"} <= outcomes[0].seconds.keys()


def test_a_comparison_that_fails_costs_only_itself(cuda_stand_in, quick):
    def fail():
        raise MemoryError("no room")

    tasks = [Comparison("first", "group", fail), Comparison("second", "group", lambda: {OURS: lambda: None})]
    first, second = gpu.measure_all(tasks, rounds=2)
    assert first.problem == "MemoryError: no room"
    assert second.ours is not None
    assert not place.is_on_gpu()


def test_the_whole_run_writes_its_results(cuda_stand_in, quick, monkeypatch, tmp_path, capsys):
    runtime = sys.modules["cupy"].cuda.runtime
    properties = {"name": b"a stand-in", "totalGlobalMem": 2**30}
    for name, value in {
        "getDeviceProperties": lambda _: properties,
        "runtimeGetVersion": lambda: 13000,
        "driverGetVersion": lambda: 13000,
    }.items():
        monkeypatch.setattr(runtime, name, value, raising=False)
    monkeypatch.setattr(sys.modules["cupy"], "__version__", "14.0", raising=False)
    monkeypatch.setattr(gpu, "FULL", TINY)
    monkeypatch.setattr(gpu, "measure_gpu_peaks", lambda: RESULTS["peaks"])
    gpu.main(["--output", str(tmp_path), "--rounds", "2", "--only", "Adam", "--only", "CTC"])
    assert {"gpu.json", "gpu.md"} <= {path.name for path in tmp_path.iterdir()}
    stored = json.loads((tmp_path / "gpu.json").read_text())
    assert stored["machine"]["gpu"] == describe_gpu()["gpu"] == "a stand-in"
    assert [entry["name"][:3] for entry in stored["comparisons"]] == ["CTC", "Ada"]
    assert "≥ 90% of the bandwidth" in (tmp_path / "gpu.md").read_text()
    assert "a stand-in" in capsys.readouterr().out


def test_the_peaks_can_be_measured(cuda_stand_in, monkeypatch):
    monkeypatch.setattr("benchmarks.gpu_machine.SECONDS", 0.0)
    monkeypatch.setattr("benchmarks.gpu_machine.ROUNDS", 2)
    with place.on("cuda"):
        peaks = measure_gpu_peaks(copied_bytes=1024, size=8)
    assert peaks["flops"].keys() == {"float32", "TF32", "float16"}
    assert min(*peaks["flops"].values(), peaks["bandwidth"]) > 0


@pytest.fixture
def outcomes():
    """A step with all kinds of candidates, and an update."""
    step = {
        OURS: seconds(3e-3),
        f"{OURS}, captured": seconds(5e-4),
        "PyTorch NCHW": seconds(2e-3),
        "PyTorch NCHW, compiled": seconds(1e-3),
    }
    update = {OURS: seconds(1e-3), "PyTorch fused": seconds(1.1e-3)}
    return [
        Outcome("LeNet-5, batch 128", "training steps", step, precision="float32"),
        Outcome("Adam, 1 million parameters", "optimisers", update, bytes=3_200_000_000),
        Outcome("a product", "products", {OURS: seconds(1e-3)}, 200 * 10**9, precision="TF32"),
        Outcome("a sum", "sums", {}, problem="they differ"),
    ]


def test_the_fastest_of_our_ways_counts(outcomes):
    assert outcomes[0].ours == seconds(5e-4)
    assert outcomes[0].ratio == pytest.approx(2)
    assert gpu_report.without_compiled(outcomes[0]).ratio == pytest.approx(4)


def test_the_tables_hold_targets_and_every_outcome(outcomes):
    text = gpu_report.as_markdown(RESULTS, outcomes)
    for expected in (
        "a large abacus (64 GiB)",
        "| LeNet-5, batch 128 | ≥ 3 × | 4.00 × |",
        "| Adam, 1 million parameters | ≥ 90% of the bandwidth | 80% |",
        "tinynet, captured, ms",
        "**2.00**",
        "50% of FLOP/s",  # of those in TF32
        "they differ",
    ):
        assert expected in text


def test_the_picture_can_be_drawn(outcomes, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    gpu._draw(tmp_path, RESULTS, outcomes)
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")


def test_a_place_holds_within_its_block():
    assert place.least_tolerance() == 0
    with place.on("cpu", place.TF32):
        assert place.least_tolerance() > 0
        with place.on("cpu"):
            assert place.least_tolerance() == 0
        assert place.least_tolerance() > 0
    assert place.least_tolerance() == 0
