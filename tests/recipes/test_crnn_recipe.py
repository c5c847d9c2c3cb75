"""The recipe of the CRNN, with few and small images."""

import dataclasses
from functools import partial

import numpy as np
import pytest

import tinynet as tn
from tinynet import optim, recipes
from tinynet.data import DataNotFoundError
from tinynet.data.words import RenderedWords, Style, WordImages, WordLoader, draw_word
from tinynet.errors import ArgumentError
from tinynet.models import CRNN
from tinynet.recipes import crnn, words
from tinynet.sequences import Alphabet
from tinynet.training import History, Trainer, WordAccuracy
from tinynet.vision import WordReader

Image = pytest.importorskip("PIL.Image", reason="drawing words needs Pillow")
pytest.importorskip("matplotlib", reason="drawing words needs Matplotlib's fonts")

FILES = {
    "model.safetensors",
    "checkpoint.safetensors",
    "history.csv",
    "report.json",
    "curves.png",
    "readings.png",
}
PLAN = crnn.Plan(
    width=1 / 16, train=40, validation=16, test=24, drawn_beside_real=12, real_validation=2, repetitions=2
)


def train(folder, plan=PLAN, **choice):
    recipe = dataclasses.replace(recipes.get("crnn"), conduct=partial(crnn._conduct, plan))
    options = {"folder": folder, "epochs": 2, "batch_size": 16, "verbose": 0, **choice}
    return recipes.run(recipe, recipes.Options(**options))


@pytest.fixture
def real_words(tmp_path, monkeypatch):
    """Ten images to train on and four to test with, where the recipe looks for real ones."""
    folder = tmp_path / "data" / "words"
    folder.mkdir(parents=True)
    for part, count in (("train", 10), ("test", 4)):
        lines = []
        for index, (image, text) in enumerate(RenderedWords(count, seed=count)):
            Image.fromarray(image[..., 0]).save(folder / f"{part}{index}.png")
            lines.append(f"{part}{index}.png\t{text}\n")
        (folder / f"{part}.tsv").write_text("".join(lines))
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "data"))
    return folder


def test_a_run_leaves_a_network_that_reads(tmp_path):
    report = train(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert report["status"] == "finished" and report == recipes.read_report(tmp_path)
    assert report["images"] == {"train": 40, "test": 24}
    assert report["results"]["parameters"] == recipes.WordRun(tmp_path).reader.model.num_parameters()
    assert 0 <= report["results"]["test_word_accuracy"] <= 1
    assert report["results"]["test_character_error_rate"] > 0
    assert {row["quantity"] for row in report["comparison"]} == {"test_word_accuracy"}
    again = recipes.WordRun(tmp_path).evaluate()
    assert {f"test_{name}" for name in again} < report["results"].keys()
    assert all(report["results"][f"test_{name}"] == value for name, value in again.items())
    losses = History.from_csv(tmp_path / "history.csv")["loss"]
    assert losses[1] < losses[0]


def test_a_run_follows_from_its_seed_whoever_draws(tmp_path):
    reports = [train(tmp_path / name, workers=workers) for name, workers in (("a", 0), ("b", 1))]
    assert reports[0]["results"] == reports[1]["results"]
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole")

    def save_and_stop(self, fit, row):
        fit.save_checkpoint(self.path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(crnn.Checkpoint, "on_epoch_end", save_and_stop)
        assert train(tmp_path / "part")["status"] == "interrupted"
    assert train(tmp_path / "part", resume=True)["results"] == whole["results"]


def test_real_words_are_trained_on_after_drawn_ones(tmp_path, real_words):
    report = train(tmp_path, data="words", epochs=1)
    assert report["images"] == {"train": 12 + 2 * 8, "test": 4}
    assert {row["quantity"] for row in report["comparison"]} == {"test_word_accuracy_ignoring_case"}
    assert 0 <= report["results"]["test_accuracy_without_real_words"] <= 1
    first = recipes.read_report(tmp_path / "rendered")
    assert first["status"] == "finished" and first["images"] == {"train": 40, "test": 24}
    # What was trained on drawn words is taken as it is when the run is resumed.
    written = (tmp_path / "rendered" / "model.safetensors").stat().st_mtime_ns
    again = train(tmp_path, data="words", epochs=None, batch_size=None, resume=True)
    assert again["results"] == report["results"]
    assert (tmp_path / "rendered" / "model.safetensors").stat().st_mtime_ns == written


def test_sets_of_real_words_do_not_overlap(real_words):
    sets = words.load_words("words", PLAN, seed=1)
    real = sets.train.texts[12:]
    assert len(sets.validation) == 2 and len(real) == 16 and real[:8] == real[8:]
    original = [line.split("\t")[1] for line in (real_words / "train.tsv").read_text().splitlines()]
    assert sorted(real[:8] + sets.validation.texts) == sorted(original)


def test_rendered_sets_do_not_overlap():
    sets = words.load_words("rendered", PLAN, seed=1)
    others = words.load_words("rendered", PLAN, seed=2)
    drawn = [part for each in (sets, others) for part in (each.train, each.validation, each.test)]
    pixels = [image.tobytes() for part in drawn for image in part.images]
    assert len(pixels) == 160 == len(set(pixels))


def test_missing_real_words_are_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataNotFoundError, match=r"'words' was not found(.|\n)*train\.tsv(.|\n)*lists images"):
        train(tmp_path / "run", data="words")
    with pytest.raises(ArgumentError, match="there is no data set of crnn 'mnist'"):
        train(tmp_path / "run", data="mnist")


def test_full_size_is_the_documented_training():
    recipe = recipes.get("crnn").sized(True)
    (plan,) = recipe.conduct.args
    assert (plan.width, plan.train, plan.validation) == (1.0, 135_000, 15_000)
    figures = {figure.quantity: figure.value for figure in recipe.figures_for("rendered")}
    assert figures == {"test_word_accuracy": 0.95, "parameters": CRNN().num_parameters()}


def test_scores_count_words_and_characters():
    scores = crnn._scores(["Hotel", "cafe", "12", ""], ["Hotel", "Cafe", "13", "no"], {"Hotel"})
    assert scores["test_word_accuracy"] == 0.25
    assert scores["test_word_accuracy_ignoring_case"] == 0.5
    assert scores["test_character_error_rate"] == pytest.approx(4 / 13)
    assert scores["test_word_accuracy_of_new_words"] == 0.0


def test_a_few_words_are_learnt_by_heart():
    tn.manual_seed(0)
    alphabet, texts, steps = Alphabet("eilnost"), ["no", "tin", "set", "lee"], 120
    style = Style(narrowing=0.4, stretch=0, spacing=0)
    images = [draw_word(text, np.random.default_rng(5), style) for text in texts]
    model = CRNN(alphabet.classes, width=1 / 4, hidden_size=64)
    optimizer = optim.Adam(model.parameters())
    trainer = Trainer(
        model,
        optimizer,
        model.loss,
        metrics=[WordAccuracy(alphabet)],
        clip_norm=5.0,
        schedule=optim.OneCycleLR(optimizer, max_lr=5e-3, total_steps=steps),
        schedule_every="batch",
    )
    words = WordImages(images, texts)
    # One bucket for all of them, so that batch norm sees them together.
    loader = WordLoader(words, alphabet.encode_all, model.steps, batch_size=len(words), bucket=96)
    trainer.fit(loader, epochs=steps, verbose=0)
    assert trainer.evaluate(loader)["word_accuracy"] == 1.0
    readings = WordReader(model, alphabet).read_all(words)
    assert [reading.text for reading in readings] == texts
    assert min(reading.probability for reading in readings) > 0.5
