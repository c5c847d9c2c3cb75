import dataclasses
import json
import signal

import numpy as np
import pytest

import tinynet as tn
from small_data import use_small_data
from tinynet import recipes
from tinynet.errors import ArgumentError, CheckpointError, DataError
from tinynet.nn.serialization import load_tensors
from tinynet.recipes import data as data_sets
from tinynet.training import History

FILES = {"model.safetensors", "checkpoint.safetensors", "history.csv", "report.json"}
PICTURES = {"curves.png", "predictions.png", "confusion.png"}


def options(folder, **choice):
    return recipes.Options(**{"epochs": 2, "batch_size": 16, "verbose": 0, "folder": folder, **choice})


def train(name, folder, **choice):
    return recipes.run(recipes.get(name), options(folder, **choice))


def weights(folder):
    return load_tensors(folder / "model.safetensors")[0]


@pytest.mark.parametrize("name", ["lenet5", "mnist-dense-200", "mnist-conv", "mnist-conv5"])
def test_run_writes_all_files(name, small_sets):
    report = train(name, small_sets / "run", epochs=1)
    assert {path.name for path in (small_sets / "run").iterdir()} >= FILES
    assert json.loads((small_sets / "run" / "report.json").read_text()) == report
    recipe = recipes.get(name)
    assert report["recipe"] == name
    assert report["status"] == "finished"
    assert report["data"] == recipe.default_data
    assert report["images"] == {"train": 96, "test": 40}
    assert report["settings"]["seed"] == 0
    assert report["settings"]["learning_rate"] == recipe.settings[recipe.default_data].learning_rate
    assert report["results"]["parameters"] == recipe.figures[0].value
    assert report["comparison"][0]["reached"]
    assert report["comparison"][1]["documented"] == recipe.figures[1].value
    assert report["comparison"][1]["obtained"] == report["results"]["test_accuracy"]
    assert set(report["versions"]) >= {"tinynet", "python", "numpy", "numba"}
    history = History.from_csv(small_sets / "run" / "history.csv")
    assert len(history) == 1
    assert np.isfinite(history["val_loss"]).all()


def test_run_draws_pictures(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    use_small_data(monkeypatch)
    train("lenet5", tmp_path, epochs=1)
    for name in PICTURES:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_capsules_are_trained_by_their_own_loss_and_drawn(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    use_small_data(monkeypatch)
    report = train("capsnet", tmp_path, data="digits-28")
    history = History.from_csv(tmp_path / "history.csv")
    assert history["loss"][-1] < history["loss"][0]
    assert 0 <= history["accuracy"][-1] <= 1
    for name in PICTURES | {"reconstructions.png", "sweep.png", "routing.png"}:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    run = recipes.Run(tmp_path, recipes.get("capsnet"))
    assert run.evaluate()["loss"] == pytest.approx(report["results"]["test_loss"], rel=1e-5)
    images = data_sets.load("digits-28").test.images
    np.testing.assert_array_equal(run.predict(images), run.trainer.predict(images))


def test_run_without_matplotlib_says_what_is_missing(small_sets, capsys):
    report = train("lenet5", small_sets, epochs=1, verbose=1)
    assert report["status"] == "finished"
    assert not PICTURES & {path.name for path in small_sets.iterdir()}
    assert "no pictures: " in capsys.readouterr().out


def test_run_learns(small_sets):
    report = train("lenet5", small_sets, epochs=12)
    assert report["results"]["test_accuracy"] == 1.0
    assert recipes.Run(small_sets, recipes.get("lenet5")).evaluate()["accuracy"] == 1.0


def test_run_with_validation_images_and_penalty(small_sets):
    recipe = dataclasses.replace(recipes.get("mnist-dense-1024"), steps_per_epoch=3, validation_images=30)
    report = recipes.run(recipe, options(small_sets, epochs=2))
    assert report["images"] == {"train": 66, "test": 40}
    assert report["results"]["test_loss"] > 10_000  # the penalty on the first weights is part of it
    assert len(History.from_csv(small_sets / "history.csv")) == 2


def test_same_seed_gives_the_same_weights(small_sets):
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        train("mnist-dense-200", small_sets / folder, epochs=1, seed=seed)
    first, again, other = (weights(small_sets / folder) for folder in "abc")
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["dense1.weight"], other["dense1.weight"])


def test_other_data_has_no_documented_accuracy(small_sets):
    report = train("mnist-dense-200", small_sets, epochs=1, data="fashion-mnist")
    assert [row["quantity"] for row in report["comparison"]] == ["parameters"]
    assert report["data"] == "fashion-mnist"


def interrupt_after(monkeypatch, batches):
    """Presses Ctrl-C after so many batches."""
    step = tn.optim.Optimizer.step
    done = []

    def step_and_count(self):
        step(self)
        done.append(None)
        if len(done) == batches:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tn.optim.Optimizer, "step", step_and_count)


@pytest.mark.parametrize("name", ["lenet5", "mnist-dense-200"])
def test_resumed_run_equals_an_uninterrupted_one(name, small_sets, monkeypatch):
    train(name, small_sets / "whole", seed=5)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 9)
        report = train(name, small_sets / "parts", seed=5)
    assert report["status"] == "interrupted"
    assert report["results"].keys() == {"parameters"}
    assert not (small_sets / "parts" / "model.safetensors").exists()
    with pytest.raises(DataError, match="this run is not finished"):
        recipes.Run(small_sets / "parts", recipes.get(name))

    resumed = recipes.run(
        recipes.get(name), recipes.Options(folder=small_sets / "parts", resume=True, verbose=0)
    )
    assert resumed["status"] == "finished"
    assert resumed["settings"]["seed"] == 5
    whole, parts = weights(small_sets / "whole"), weights(small_sets / "parts")
    assert all(np.array_equal(whole[key], parts[key]) for key in whole)
    assert resumed["results"] == recipes.read_report(small_sets / "whole")["results"]


def test_resume_for_more_epochs_where_the_rate_is_fixed(small_sets):
    train("mnist-dense-200", small_sets / "whole", epochs=3)
    train("mnist-dense-200", small_sets / "parts", epochs=1)
    train("mnist-dense-200", small_sets / "parts", epochs=3, resume=True)
    whole, parts = weights(small_sets / "whole"), weights(small_sets / "parts")
    assert all(np.array_equal(whole[key], parts[key]) for key in whole)
    assert recipes.read_report(small_sets / "parts")["settings"]["epochs"] == 3


def test_resume_refuses_other_settings(small_sets):
    train("lenet5", small_sets, epochs=1)
    before = weights(small_sets)
    for choice, text in [
        ({"batch_size": 8}, "the run was begun with batch size 16, it cannot go on with 8"),
        ({"seed": 3}, "the run was begun with seed 0, it cannot go on with 3"),
        ({"epochs": 4}, "the run was begun with epochs 1, it cannot go on with 4"),
        ({"data": "mnist"}, "the run was begun with data digits, it cannot go on with mnist"),
    ]:
        with pytest.raises(ArgumentError, match=text):
            train("lenet5", small_sets, **{"epochs": 1, **choice}, resume=True)
    with pytest.raises(ArgumentError, match="this is a run of lenet5, not of mnist-conv"):
        train("mnist-conv", small_sets, resume=True)
    assert all(np.array_equal(before[key], value) for key, value in weights(small_sets).items())


def test_resume_needs_a_run_and_a_checkpoint(small_sets):
    with pytest.raises(DataError, match=r"there is no run here \(report.json is missing\)"):
        train("lenet5", small_sets / "none", resume=True)
    assert not (small_sets / "none").exists()
    train("lenet5", small_sets, epochs=1)
    (small_sets / "checkpoint.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors does not exist"):
        train("lenet5", small_sets, epochs=1, resume=True)


def test_new_run_leaves_nothing_of_the_old_one(small_sets, monkeypatch):
    train("lenet5", small_sets, epochs=1)
    interrupt_after(monkeypatch, 1)
    train("lenet5", small_sets, epochs=1)
    names = {path.name for path in small_sets.iterdir()}
    assert names == {"checkpoint.safetensors", "report.json"}


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"data": "mnis"}, "there is no data set of lenet5 'mnis'; did you mean 'mnist'?"),
        ({"epochs": 0}, "epochs should be at least 1, not 0"),
        ({"batch_size": -1}, "batch_size should be at least 1, not -1"),
        ({"seed": -1}, "seed should be at least 0, not -1"),
        ({"learning_rate": 0.0}, "learning_rate should be positive, not 0.0"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(choice, text, small_sets):
    with pytest.raises(ArgumentError) as caught:
        train("lenet5", small_sets / "run", **choice)
    assert str(caught.value) == text
    assert not (small_sets / "run").exists()


def test_damaged_weights_are_not_loaded(small_sets):
    train("lenet5", small_sets, epochs=1)
    path = small_sets / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        recipes.Run(small_sets, recipes.get("lenet5"))


@pytest.mark.slow
def test_lenet5_reads_held_out_digits(tmp_path):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    report = recipes.run(recipes.get("lenet5"), recipes.Options(folder=tmp_path, epochs=8, verbose=0))
    # The full 20 epochs reach 99 %; these few stay well above what a broken gradient would allow.
    assert report["results"]["test_accuracy"] >= 0.97
