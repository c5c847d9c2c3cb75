import csv
import dataclasses

import pytest

from small_data import small_photographs, use_small_data
from tinynet import models, recipes
from tinynet.data import CATS_DOGS_CLASSES, DataNotFoundError
from tinynet.errors import ArgumentError, DataError
from tinynet.recipes import calibration, depths, transfer


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


def test_calibration_compares_eight_networks(small_sets, monkeypatch):
    monkeypatch.setattr(calibration, "VALIDATION_IMAGES", 40)
    monkeypatch.setattr(calibration, "WIDTH", 8)
    report = recipes.run(recipes.get("calibration"), options(small_sets / "run", epochs=3, seed=1))
    results = report["results"]
    assert results["changed_predictions"] == 0
    ratio = results["calibration_error_after"] / results["calibration_error_before"]
    assert results["calibration_error_ratio"] == pytest.approx(ratio)
    rows = list(csv.DictReader((small_sets / "run" / "calibration.csv").read_text().splitlines()))
    assert len({(row["depth"], row["batch_norm"], row["weight_decay"]) for row in rows}) == 8
    (worst,) = [
        row for row in rows if (row["depth"], row["batch_norm"], row["weight_decay"]) == ("6", "True", "0.0")
    ]
    assert float(worst["temperature"]) == results["temperature"] > 0
    assert float(worst["error_before"]) == results["calibration_error_before"]


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
