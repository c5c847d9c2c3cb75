"""The commands with ``--device cuda``, pictures included; without a GPU on the stand-in for CuPy."""

import numpy as np
import pytest

import cupy_stand_in
import tinynet as tn
import tinynet_kernels
from small_data import use_small_data
from tinynet import models
from tinynet.cli import main

Image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
pytest.importorskip("matplotlib", reason="pictures need matplotlib")

RESNET = "--model resnet8 --weights own.safetensors"
COMMANDS = [
    "evaluate run",
    "predict photo.png --run run",
    f"predict photo.png {RESNET}",
    "summary resnet8",
    f"inspect outputs photo.png {RESNET}",
    f"inspect weights {RESNET}",
    "inspect weights --run run",
    f"inspect patches photo.png {RESNET} --layer stages.2.0.body.3",
    "inspect patches --run run --layer pool1",
    "inspect receptive-fields resnet8",
    "inspect graph resnet8",
    "inspect windows photo.png --run run",
    "report run",
]


@pytest.fixture
def working_folder(monkeypatch, tmp_path):
    """An empty folder with a photograph and weights in it."""
    use_small_data(monkeypatch)
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    Image.fromarray(noise).save("photo.png")
    models.ResNet8(num_classes=4).save("own.safetensors")
    return tmp_path


def test_every_command_runs_on_a_gpu(working_folder, cuda, monkeypatch, capsys):
    monkeypatch.setenv("TINYNET_DEVICE", "cuda")
    take = "reference" if cuda.xp is cupy_stand_in.stand_in else "fast"
    with tinynet_kernels.pinned(take):
        assert main(["train", "lenet5", "--epochs", "1", "--out", "run", "--device", "cuda"]) == 0
        assert "device cuda:0" in capsys.readouterr().out
        for command in COMMANDS:
            assert main(command.split()) == 0, capsys.readouterr().err
    assert tn.default_device() == "cuda:0"
