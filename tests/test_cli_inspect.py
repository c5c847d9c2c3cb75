"""``tinynet inspect``: what its commands print, and the pictures and numbers that they write."""

import re

import numpy as np
import pytest

import tinynet as tn
from small_data import use_small_data
from tinynet import inspection, models
from tinynet.cli import main

Image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Runs ``inspect`` in a folder with a photograph and weights: (status, output, errors)."""
    use_small_data(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TINYNET_DEVICE", raising=False)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(noise).save("photo.png")
    tn.manual_seed(0)
    models.ResNet8(num_classes=4).save("own.safetensors")

    def run(words):
        status = main(["inspect", *words.split()])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


RESNET = "--model resnet8 --weights own.safetensors"


def size_of_picture(path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 1
        return picture.size


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (
            "filters photo.png",
            "edges by vertical and horizontal filters, Prewitt, Sobel, Scharr: filters.png",
        ),
        (
            "augmentations photo.png --samples 1 --seed 3",
            "1 results of each augmentation, seed 3: augmentations.png",
        ),
        ("graph resnet8 --depth 2", r"\d+ boxes, \d+ arrows: graph.png"),
        (f"outputs photo.png {RESNET}", r"outputs of stem.0, .*, stages.2.0.body.3: outputs.png"),
        (f"weights {RESNET}", "weights of stem.0: weights.png"),
        (
            f"weights {RESNET} --layer stages.1.0.body.0 --units 3",
            "weights of stages.1.0.body.0: weights.png",
        ),
        (
            f"patches photo.png photo.png {RESNET} --layer stem --units 0,5 --count 2",
            "what excites units of stem most, out of 2 images: patches.png",
        ),
        (
            f"windows photo.png {RESNET} --size 48 --top 2",
            r"5 × 10 windows of 32 × 32 pixels: windows.png",
        ),
    ],
)
def test_pictures_are_written_where_the_command_says(words, printed, cli, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    status, output, errors = cli(words)
    assert (status, errors) == (0, "")
    assert re.fullmatch(printed + "\n", output)
    name = output.strip().rsplit(": ", 1)[1]
    assert min(size_of_picture(tmp_path / name)) > 50
    assert cli(f"{words} --out elsewhere/picture.png")[0] == 0
    assert size_of_picture(tmp_path / "elsewhere" / "picture.png") == size_of_picture(tmp_path / name)


def test_outputs_are_written_as_numbers(cli):
    status, _, errors = cli(f"outputs photo.png {RESNET} --layer stem --layer dense --out outputs.npz")
    assert (status, errors) == (0, "")
    network = models.pretrained("resnet8", "own.safetensors")
    image = network.preprocessing.read("photo.png")[np.newaxis]
    expected = inspection.activations(network.model, image, ["stem", "dense"])
    with np.load("outputs.npz") as found:
        assert sorted(found) == ["dense", "stem"]
        for name in found:
            np.testing.assert_allclose(found[name], expected[name][0], rtol=1e-5, atol=1e-6)


def test_graphs_are_written_for_graphviz(cli, tmp_path):
    assert cli("graph lenet5 --input 28x28x3 --out lenet5.dot")[0] == 0
    text = (tmp_path / "lenet5.dot").read_text(encoding="utf-8")
    assert text == inspection.network_graph(models.LeNet5(in_channels=3, input_size=28), (28, 28, 3)).dot()


def test_receptive_fields_are_printed(cli):
    status, output, errors = cli("receptive-fields lenet5 --input 28x28x1")
    assert (status, errors) == (0, "")
    rows = [re.split(r"  +", line) for line in output.splitlines()]
    assert rows[0] == ["Layer", "Size", "Stride", "First pixel"]
    assert rows[1] == ["conv1", "5 × 5", "1 × 1", "-2, -2"]
    assert rows[4] == ["pool2", "16 × 16", "4 × 4", "-2, -2"]
    assert [row[0] for row in rows[5:]] == ["flatten", "dense1", "dense2", "dense3"]


def test_a_run_brings_its_images_and_classes(cli, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    for name in ("lenet5", "mnist-dense-200"):
        assert main(["train", name, "--epochs", "1", "--quiet"]) == 0
    cli("receptive-fields lenet5")
    status, output, errors = cli("patches --layer conv2 --units 1")
    assert (status, errors) == (0, "")
    assert output == "what excites units of conv2 most, out of 40 images: patches.png\n"
    assert cli("weights --run mnist-dense-200 --product")[1].startswith("the product of all dense weights: ")
    assert cli("weights --run mnist-dense-200")[1] == "weights of dense1: weights.png\n"
    assert cli("windows photo.png --run runs/lenet5")[1] == "9 × 15 windows of 32 × 32 pixels: windows.png\n"


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("outputs photo.png", 1, "lenet5 has not been trained here; do it with: tinynet train lenet5"),
        ("outputs photo.png --model resnet8", 2, "inspect takes either --run, or --model and --weights"),
        (f"outputs photo.png {RESNET} --layer stm", 2, "there is no layer of ResNet8 'stm'; did you"),
        (f"outputs photo.png {RESNET} --layer dense", 2, "feature_maps_picture: layer 'dense' gives shape"),
        (f"outputs none.png {RESNET}", 1, "none.png: not a readable image"),
        (f"weights {RESNET} --layer dense", 2, "inspect: the weights of dense are no images, as those of"),
        (f"patches {RESNET} --layer stem", 2, "inspect: resnet8 comes without images; name some image files"),
        (f"patches photo.png {RESNET} --layer stem --units 16", 2, "exciting_patches: layer 'stem' has"),
        ("graph resnet9", 2, "there is no model 'resnet9'; did you mean 'resnet8'?"),
        ("filters own.safetensors", 1, "own.safetensors: not a readable image"),
    ],
)  # fmt: skip
def test_errors_are_one_line(words, status, text, cli):
    found, output, errors = cli(words)
    assert (found, output) == (status, "")
    assert errors.startswith(f"tinynet: {text}")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "the following arguments are required: WHAT"),
        ("filter photo.png", "invalid choice: 'filter'"),
        ("patches --run x", "the following arguments are required: --layer"),
        ("patches --layer x --units 0,a", "argument --units: 'a' is not an integer"),
        ("weights --layer x --product", "not allowed with argument"),
    ],
)
def test_words_that_make_no_sense_are_refused(words, text, cli):
    status, output, errors = cli(words)
    assert (status, output) == (2, "")
    assert text in errors
