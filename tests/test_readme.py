"""The Python examples of the README run as they stand there, one after the other."""

import re
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, optim

README = Path(__file__).parent.parent / "README.md"


def blocks_under(heading):
    """The Python examples of one section."""
    section = README.read_text(encoding="utf-8").split(f"# {heading}\n")[1]
    section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_a_first_model(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks_under("A first model"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["trainer"].evaluate(names["x_test"], names["y_test"])["accuracy"] > 0.95
    assert names["gradient"].tolist() == [3.0, 12.0, 27.0]
    assert (tmp_path / "digits.safetensors").exists()
    assert "61,706" in capsys.readouterr().out


@pytest.mark.slow
def test_mixed_precision():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    names = {}
    for block in blocks_under("Mixed precision"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["trainer"].evaluate(*names["test"])["accuracy"] > 0.9
    assert names["loss"].dtype == "float32"


def test_a_captured_step(cuda):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to("cuda")
    images, labels = np.ones((5, 3), np.float32), np.array([0, 1, 1, 0, 1])
    names = {
        "tn": tn,
        "F": tn.functional,
        "model": model,
        "optimizer": optim.Adam(model.parameters()),
        "batches": 6 * [[tn.tensor(array).to("cuda") for array in (images, labels)]],
    }
    before = tn.functional.cross_entropy(model(names["batches"][0][0]), names["batches"][0][1]).item()
    (block,) = blocks_under("A training step as a CUDA graph")
    exec(compile(block, "README.md", "exec"), names)
    assert names["step"].graphs == 1
    assert names["loss"].item() < before
