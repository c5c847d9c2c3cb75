import csv
import dataclasses
import signal

import pytest

from small_data import small_photographs, use_small_data
from tinynet import models, optim, recipes
from tinynet.data import CATS_DOGS_CLASSES, DataNotFoundError
from tinynet.errors import ArgumentError, DataError
from tinynet.recipes import calibration, depths, ensemble, transfer
from tinynet.training.ensembles import EnsembleAccuracy


def options(folder, **choice):
    return recipes.Options(**{"epochs": 1, "batch_size": 16, "verbose": 0, "folder": folder, **choice})


@pytest.fixture
def two_depths(monkeypatch):
    monkeypatch.setattr(depths, "PARAMETERS", {8: 75_290, 20: 269_722})


def test_depths_trains_both_kinds_on_the_same_batches(small_sets, two_depths):
    folder = small_sets / "run"
    report = recipes.run(recipes.get("depths"), options(folder, epochs=2))
    assert report == recipes.read_report(folder)
    assert report["status"] == "finished"
    results = report["results"]
    ratio = results["training_loss_resnet20"] / results["training_loss_plain20"]
    assert results["loss_ratio_20_layers"] == pytest.approx(ratio)
    rows = list(csv.reader((folder / "losses.csv").read_text().splitlines()))
    assert rows[0] == ["epoch", "plain8", "resnet8", "plain20", "resnet20"]
    assert [float(number) for number in rows[-1][1:]] == [
        results[f"training_loss_{name}"] for name in rows[0][1:]
    ]
    for name in rows[0][1:]:
        run = recipes.read_report(folder / name)
        assert (run["settings"], run["status"]) == (report["settings"], "finished")


def test_depths_is_resumed_where_it_stopped(small_sets, two_depths):
    folder = small_sets / "run"
    first = recipes.run(recipes.get("depths"), options(folder))
    weights = {path: path.stat().st_mtime_ns for path in folder.glob("*/model.safetensors")}
    (folder / "resnet20" / "report.json").unlink()
    again = recipes.run(recipes.get("depths"), options(folder, epochs=None, batch_size=None, resume=True))
    assert again["results"] == first["results"]
    changed = {path.parent.name for path, time in weights.items() if path.stat().st_mtime_ns != time}
    assert changed == {"resnet20"}


def test_depths_draws_its_picture(tmp_path, monkeypatch, two_depths):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    use_small_data(monkeypatch)
    recipes.run(recipes.get("depths"), options(tmp_path))
    assert (tmp_path / "depths.png").read_bytes().startswith(b"\x89PNG")


def interrupting(work):
    raise KeyboardInterrupt


def test_an_interrupted_study_says_so_in_its_report(small_sets):
    study = dataclasses.replace(recipes.get("depths"), conduct=interrupting)
    report = recipes.run(study, options(small_sets))
    assert (report["status"], report["results"]) == ("interrupted", {})


def test_a_study_has_no_model_to_predict_with(small_sets, two_depths):
    with pytest.raises(DataError, match="depths is a study, it leaves no model of its own"):
        recipes.Run(small_sets, recipes.get("depths"))


def test_a_study_is_not_resumed_with_other_settings(small_sets, two_depths):
    recipes.run(recipes.get("depths"), options(small_sets / "run"))
    with pytest.raises(ArgumentError, match="begun with epochs 1, it cannot go on with 2"):
        recipes.run(recipes.get("depths"), options(small_sets / "run", epochs=2, resume=True))


@pytest.fixture
def narrow(monkeypatch):
    """Small networks in place of those of the calibration."""
    worst = calibration.Kind(6, 8, True, 0.0)
    monkeypatch.setattr(calibration, "VALIDATION_IMAGES", 40)
    monkeypatch.setattr(calibration, "WORST", worst)
    monkeypatch.setattr(
        calibration, "KINDS", (worst._replace(weight_decay=0.3), worst, worst._replace(depth=2))
    )


def test_calibration_compares_networks_that_differ_in_one_thing():
    assert len(set(calibration.KINDS)) == 9
    for field in calibration.Kind._fields:
        others = [kind for kind in calibration.KINDS if kind != calibration.WORST]
        worst = calibration.WORST._asdict()
        assert any({**kind._asdict(), field: worst[field]} == worst for kind in others), field


def test_calibration_scales_the_worst_network(small_sets, narrow):
    report = recipes.run(recipes.get("calibration"), options(small_sets / "run", epochs=3, seed=1))
    results = report["results"]
    assert results["changed_predictions"] == 0
    ratio = results["calibration_error_after"] / results["calibration_error_before"]
    assert results["calibration_error_ratio"] == pytest.approx(ratio)
    assert 0 <= results["temperature_error"] < 0.01
    rows = list(csv.DictReader((small_sets / "run" / "calibration.csv").read_text().splitlines()))
    assert len(rows) == 3
    worst = rows[1]
    assert [worst[name] for name in calibration.Kind._fields] == ["6", "8", "True", "0.0"]
    assert float(worst["temperature"]) == results["temperature"] > 0
    assert float(worst["error_before"]) == results["calibration_error_before"]


def test_calibration_draws_its_pictures(tmp_path, monkeypatch, narrow):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    use_small_data(monkeypatch)
    recipes.run(recipes.get("calibration"), options(tmp_path))
    for name in ("reliability.png", "calibration.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_ctrl_c_ends_a_whole_study(small_sets, narrow, monkeypatch):
    step = optim.Optimizer.step

    def step_and_interrupt(self):
        step(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(optim.Optimizer, "step", step_and_interrupt)
    report = recipes.run(recipes.get("calibration"), options(small_sets / "run"))
    assert (report["status"], report["results"]) == ("interrupted", {})
    assert not (small_sets / "run" / "calibration.csv").exists()


def test_ensemble_asks_alone_and_together(small_sets, monkeypatch):
    monkeypatch.setattr(ensemble, "MEMBERS", 2)
    monkeypatch.setattr(ensemble, "AUGMENTATION", None)
    report = recipes.run(recipes.get("ensemble"), options(small_sets / "run", epochs=3))
    results = report["results"]
    rows = list(csv.DictReader((small_sets / "run" / "ensemble.csv").read_text().splitlines()))
    assert [row["network"] for row in rows] == ["1", "2", "together"]
    one, ten = ([float(row[view]) for row in rows] for view in ensemble.VIEWS)
    assert results["accuracy_of_a_member"] == pytest.approx(sum(one[:2]) / 2)
    assert results["accuracy_of_the_ensemble"] == one[2]
    assert results["accuracy_gained_by_the_ensemble"] == pytest.approx(one[2] - sum(one[:2]) / 2)
    assert results["accuracy_of_the_ensemble_with_ten_crops"] == ten[2]
    assert results["accuracy_gained_by_ten_crops"] == pytest.approx((sum(ten[:2]) - sum(one[:2])) / 2)


def test_ensemble_draws_its_picture(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    monkeypatch.setattr(ensemble, "MEMBERS", 2)
    found = [EnsembleAccuracy((0.5, 0.6), 0.65), EnsembleAccuracy((0.55, 0.6), 0.7)]
    path = ensemble._draw(tmp_path / "ensemble.png", found)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_transfer_compares_frozen_with_fine_tuned_layers(small_sets, monkeypatch):
    photographs = small_photographs("cats and dogs", 32, CATS_DOGS_CLASSES, train=40, test=10)
    monkeypatch.setattr(transfer, "load_cats_dogs", lambda size, dtype: photographs)
    monkeypatch.setattr(transfer, "_pretrained", lambda: models.MobileNetV1(10, width=0.125).eval())
    report = recipes.run(recipes.get("transfer"), options(small_sets / "run", epochs=2))
    rows = list(csv.DictReader((small_sets / "run" / "folds.csv").read_text().splitlines()))
    frozen, tuned = (sum(float(row[name]) for row in rows) / 5 for name in ("frozen", "fine-tuned"))
    assert report["results"]["frozen_accuracy"] == pytest.approx(frozen)
    assert report["results"]["gain_by_fine_tuning"] == pytest.approx(tuned - frozen)
    assert frozen > 0.7  # the two colours are told apart even by weights that were never trained


def test_transfer_says_which_weights_are_missing(small_sets, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(small_sets))
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_sets))
    with pytest.raises(DataNotFoundError, match=r"mobilenet-v1-0\.25-224-tfjs"):
        recipes.run(recipes.get("transfer"), options(small_sets / "run"))
