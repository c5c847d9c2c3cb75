"""``tinynet predict`` with a run that reads words."""

import re

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, optim
from tinynet.cli import main
from tinynet.data.words import word_batch
from tinynet.recipes.experiment import MODEL
from tinynet.recipes.report import make_report, write_report
from tinynet.recipes.word_runs import described_reader
from tinynet.sequences import Alphabet

ALPHABET = Alphabet("abAB")
TEXTS = ["ab", "Bb", "aAb", "ba"]
OPTIONS = {"width": 1 / 8, "hidden_size": 32}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run in a folder that reads four images of made-up letters, and these images."""
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    glyphs = rng.integers(0, 256, (4, 32, 14, 1), dtype=np.uint8)
    images = [np.concatenate(glyphs[list(ALPHABET.encode(text))], axis=1) for text in TEXTS]
    for text, pixels in zip(TEXTS, images, strict=True):
        image.fromarray(pixels[..., 0]).save(folder / f"{text}.png")
    tn.manual_seed(0)
    model = models.CRNN(ALPHABET.classes, **OPTIONS)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    batch, widths = word_batch(images)
    labels, lengths = ALPHABET.encode_all(TEXTS)
    for _ in range(120):
        optimizer.zero_grad()
        model.loss(model(tn.tensor(batch)), labels, model.steps(widths), lengths).backward()
        optimizer.step()
    model.save(folder / MODEL)
    recipe = tn.recipes.get("lenet5")
    settings = {"data": "made-up letters", "full": False}
    details = {"model": described_reader(ALPHABET, **OPTIONS)}
    write_report(folder, make_report(recipe, settings, "finished", {}, 1.0, **details))
    return folder


@pytest.fixture
def cli(trained, monkeypatch, capsys):
    """Runs ``predict`` where the images are: (status, output, errors)."""
    monkeypatch.chdir(trained)
    monkeypatch.delenv("TINYNET_DEVICE", raising=False)

    def run(words):
        status = main(["predict", "--run", ".", *words.split()])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_words_are_read(cli):
    status, output, errors = cli(" ".join(f"{text}.png" for text in TEXTS))
    assert (status, errors) == (0, "")
    found = [re.fullmatch(r"(\w+)\.png: (\w+) ([\d.]+)%", line) for line in output.splitlines()]
    assert [answer[1] for answer in found] == TEXTS
    assert [answer[2] for answer in found] == TEXTS
    assert all(float(answer[3]) > 50 for answer in found)


def test_several_readings(cli):
    status, output, _ = cli("ab.png --top 3")
    assert status == 0
    answers = re.findall(r"(\S+) ([\d.]+)%", output.partition(": ")[2])
    assert answers[0][0] == "ab"
    assert len(answers) == 3
    assert cli("ab.png --beam 5")[1].startswith("ab.png: ab ")


def test_words_of_a_list(cli, trained):
    (trained / "list").write_text("ba\n\nBB\n")
    status, output, _ = cli("ab.png ba.png --words list")
    assert status == 0
    assert re.match(r"ab\.png: (ba|BB|Ba|BA|bb|Bb) ", output)
    assert "\nba.png: ba " in output


def test_probabilities_of_every_step(cli):
    status, output, _ = cli("ab.png --probabilities")
    assert status == 0
    first, head, *steps = output.splitlines()
    assert first.startswith("ab.png: ab ")
    assert head.split() == ["step", "column", "characters"]
    columns = 28 + 8  # with what is filled up
    assert len(steps) == models.CRNN.steps(columns)
    best = [re.match(r" +(\d+) +(\d+)  (\w+) [\d.]+%", line) for line in steps]
    assert [int(step[1]) for step in best] == list(range(len(steps)))
    assert [int(step[2]) for step in best] == [4 * (number + 1) for number in range(len(steps))]
    names = [step[3] for step in best]
    merged = [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
    assert [name for name in merged if name != "blank"] == ["a", "b"]


def test_a_picture_of_the_alignment(cli, trained):
    pytest.importorskip("matplotlib", reason="drawing needs Matplotlib")
    status, output, _ = cli("aAb.png --save alignment.png")
    assert status == 0
    assert output.splitlines()[1] == "alignment in alignment.png"
    assert (trained / "alignment.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("ab.png ba.png --save x.png", 2, "predict: --save takes a single image, not 2"),
        ("none.png", 1, "none.png: not a readable image: "),
        ("ab.png --words none", 1, "none: not a readable list of words: "),
        (
            "ab.png --words strange",
            1,
            "strange: Alphabet.encode: 'c', at place 1 of 'ac', is not one of ",
        ),
        ("ab.png --words empty", 1, "empty: WordList: there are no words"),
    ],
)
def test_errors_say_what_is_wrong(cli, trained, words, status, text):
    (trained / "strange").write_text("ab\nac\n")
    (trained / "empty").write_text("\n")
    found, output, errors = cli(words)
    assert (found, output) == (status, "")
    assert errors.startswith(f"tinynet: {text}")
    assert errors.count("\n") == 1


def test_damaged_reports_are_refused(trained, tmp_path, capsys):
    report = tn.recipes.read_report(trained)
    for changes, text in (
        ({"model": {"characters": "abA", "depth": 3}}, "describes no network that reads words"),
        ({"model": {"characters": "aa"}}, "Alphabet: 'a' is there twice"),
        ({"status": "running"}, "this run is not finished"),
    ):
        write_report(tmp_path, {**report, **changes})
        assert main(["predict", "--run", str(tmp_path), "x.png"]) == 1
        assert text in capsys.readouterr().err
