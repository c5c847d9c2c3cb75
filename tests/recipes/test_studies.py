import csv
import dataclasses

import pytest

from tinynet import recipes
from tinynet.errors import ArgumentError, DataError
from tinynet.recipes import depths


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
    from small_data import use_small_data

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
