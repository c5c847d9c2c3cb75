"""The Python examples of the README run as they stand there, one after the other."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks_under(heading):
    """The Python examples of one section."""
    section = README.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
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
