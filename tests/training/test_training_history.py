"""History: rows, columns, files and pictures."""

import math

import pytest

from tinynet.errors import ArgumentError, DataError
from tinynet.training import History

ROWS = [
    {"epoch": 1, "loss": 0.1 + 0.2, "val_loss": 1e-300, "accuracy": 0.5, "seconds": 1.5},
    {"epoch": 2, "loss": math.inf, "val_loss": math.nan, "accuracy": 1 / 3, "seconds": 1.25},
    {"epoch": 3, "loss": 2.0, "val_loss": 0.25, "accuracy": 0.5, "note": "résumé, again"},
]
PNG = b"\x89PNG\r\n\x1a\n"


def test_columns_and_rows():
    history = History(ROWS)
    assert len(history) == 3
    assert history["accuracy"] == [0.5, 1 / 3, 0.5]
    assert history["note"] == [None, None, "résumé, again"]
    assert history.columns == ["epoch", "loss", "val_loss", "accuracy", "seconds", "note"]
    assert not history.interrupted
    with pytest.raises(ArgumentError, match="there is no 'val_acc'; there is epoch, loss"):
        history["val_acc"]


def test_best_knows_its_direction_and_passes_over_nan():
    history = History(ROWS)
    assert history.best("val_loss")["epoch"] == 1
    assert history.best("accuracy")["epoch"] == 1
    assert history.best("accuracy", mode="min")["epoch"] == 2
    assert history.best("loss", mode="max")["epoch"] == 2
    with pytest.raises(ArgumentError, match="mode should be 'min', 'max' or None, not 'low'"):
        history.best("loss", mode="low")
    with pytest.raises(ArgumentError, match="no epoch has a number for 'note'"):
        history.best("note")


def test_csv_gives_back_every_bit(tmp_path):
    path = tmp_path / "folder" / "history.csv"
    History(ROWS).to_csv(path)
    again = History.from_csv(path)
    assert str(again.epochs) == str(ROWS)
    assert path.read_text(encoding="utf-8").splitlines()[0] == "epoch,loss,val_loss,accuracy,seconds,note"
    assert [file.name for file in path.parent.iterdir()] == ["history.csv"]


def test_csv_of_nothing(tmp_path):
    History().to_csv(tmp_path / "empty.csv")
    assert len(History.from_csv(tmp_path / "empty.csv")) == 0


def test_csv_with_a_torn_line_names_it(tmp_path):
    path = tmp_path / "torn.csv"
    path.write_text("epoch,loss\n1,0.5\n2\n")
    with pytest.raises(DataError, match=r"torn\.csv: line 3 has 1 fields, but the header has 2"):
        History.from_csv(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    History(ROWS[:1]).to_csv(path)
    before = path.read_bytes()
    broken = History(ROWS)
    monkeypatch.setattr("csv.DictWriter.writerows", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        broken.to_csv(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS])
def test_plot_writes_a_picture(tmp_path, rows):
    pytest.importorskip("matplotlib", reason="curves need matplotlib")
    import sys

    path = tmp_path / "curves.png"
    pyplot_was_there = "matplotlib.pyplot" in sys.modules
    History(rows).plot(path)
    assert path.read_bytes().startswith(PNG)
    assert [file.name for file in tmp_path.iterdir()] == ["curves.png"]
    assert ("matplotlib.pyplot" in sys.modules) == pyplot_was_there
