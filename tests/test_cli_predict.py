"""``tinynet predict --model NAME --weights FILE``: photographs named by published or own weights."""

import re

import numpy as np
import pytest

from tinynet import models
from tinynet.cli import main
from tinynet.data.files import locate


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Runs ``predict`` in an empty folder: (status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYNET_DEVICE", raising=False)

    def run(*words):
        status = main(["predict", *map(str, words)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def photos(tmp_path):
    """Two pictures of noise."""
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / name)
    return "a.png", "b.png"


@pytest.fixture
def own_weights(tmp_path):
    models.ResNet8(num_classes=4).save(tmp_path / "own.safetensors")
    return "own.safetensors"


def test_the_cat_is_named(cli):
    pytest.importorskip("PIL", reason="reading pictures needs Pillow")
    weights, labels = locate("weights", "mobilenet-v1-0.25-224-tfjs"), locate("weights", "synset_words.txt")
    photo = locate("style", "content_chelsea.png")
    if None in (weights, labels, photo):
        pytest.skip("weights or photograph are not on this machine; TINYNET_DATA names their folder")
    words = "--model", "mobilenet-v1", "--weights", weights, "--labels", labels
    status, output, errors = cli(*words, photo)
    assert (status, errors) == (0, "")
    first, *answers = output.splitlines()
    assert first == f"{photo}:"
    found = [re.fullmatch(r" *([\d.]+)%  (.+)", answer) for answer in answers]
    assert [answer[2] for answer in found][:3] == ["tabby, tabby cat", "Egyptian cat", "tiger cat"]
    assert [float(answer[1]) for answer in found][:3] == pytest.approx([42, 35, 13], abs=1)
    assert len(found) == 5


def test_labels_and_number_of_answers(cli, tmp_path, photos, own_weights):
    (tmp_path / "names").write_text("one\ntwo\nthree\nfour\n")
    words = "--model", "resnet8", "--weights", own_weights
    status, output, errors = cli(*words, "--labels", "names", "--top", 2, *photos)
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert (lines[0], lines[3], len(lines)) == ("a.png:", "b.png:", 6)
    assert all(line.split()[1] in ("one", "two", "three", "four") for line in lines[1:3] + lines[4:])
    status, output, _ = cli(*words, photos[0])
    assert {line.split("  ")[-1] for line in output.splitlines()[1:]} == {f"class {i}" for i in range(4)}


def test_cifar_classes_have_names(cli, tmp_path, photos):
    models.ResNet8().save(tmp_path / "cifar.safetensors")
    _, output, _ = cli("--model", "resnet8", "--weights", "cifar.safetensors", "--top", 10, photos[0])
    assert {"cat", "airplane", "truck"} < {line.split()[-1] for line in output.splitlines()[1:]}


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("--model resnet8", 2, "predict takes either --run, or --model and --weights together"),
        ("--weights own.safetensors", 2, "predict takes either --run, or --model and --weights together"),
        (
            "--run x --model resnet8 --weights own.safetensors",
            2,
            "predict takes either --run, or --model and --weights together",
        ),
        (
            "--model resnet8 --weights own.safetensors --beam 3",
            2,
            "predict: --beam is only for runs that read words",
        ),
        (
            "--model resnet9 --weights own.safetensors",
            2,
            "there is no model 'resnet9'; did you mean 'resnet8'?",
        ),
        ("--model nin --weights own.safetensors", 2, "pretrained: no published weights are known for nin"),
        ("--model resnet8 --weights none.pt", 1, "load: none.pt does not exist"),
        ("--model resnet8 --weights a.png", 1, "load: a.png has no known format; known are safetensors, npz"),
        ("--model resnet8 --weights own.safetensors --labels none", 1, "none: not a readable list of names"),
        (
            "--model resnet8 --weights own.safetensors own.safetensors",
            1,
            "own.safetensors: not a readable image",
        ),
    ],
)
def test_errors_say_what_is_wrong(cli, photos, own_weights, words, status, text):
    found, output, errors = cli(*words.split(), photos[0])
    assert (found, output) == (status, "")
    assert errors.startswith(f"tinynet: {text}")
    assert errors.count("\n") == 1


def test_weights_of_another_model_are_listed(cli, photos, own_weights):
    status, output, errors = cli("--model", "resnet20", "--weights", own_weights, photos[0])
    assert (status, output) == (1, "")
    assert errors.startswith(
        "tinynet: load: own.safetensors (format safetensors, names and axes of tinynet): "
    )
    assert "missing: stages.2.2.body.4.running_var (64,)" in errors
