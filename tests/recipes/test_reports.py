import json

import pytest

from tinynet import recipes
from tinynet.errors import DataError
from tinynet.recipes.report import comparison, table, write_report


def report(**changes):
    results = {"parameters": 61_706, "test_accuracy": 0.9875}
    figures = [
        recipes.Figure("parameters", 61_706, "document 1"),
        recipes.Figure("test_accuracy", 0.99, "document 2"),
    ]
    return {
        "recipe": "lenet5",
        "status": "finished",
        "data": "digits",
        "settings": {"data": "digits", "full": False, "seed": 0},
        "model": {},
        "device": "cpu",
        "training_seconds": 61.25,
        "results": results,
        "comparison": comparison(figures, results),
        **changes,
    }


def test_table_shows_documented_beside_obtained():
    second = report(comparison=[], settings={"data": "mnist", "full": True, "seed": 0})
    lines = table({"first": report(), "second": second}).splitlines()
    words = [line.split() for line in lines]
    headings = ["run", "data", "seed", "device", "seconds", "quantity", "documented", "obtained"]
    assert words[0] == headings
    first = ["first", "digits", "0", "cpu", "61", "parameters", "61,706", "61,706", "reached", "·"]
    assert words[2] == [*first, "document", "1"]
    assert words[3] == ["test", "accuracy", "99.00%", "98.75%", "not", "reached", "·", "document", "2"]
    assert words[4] == ["second", "mnist,", "full", "size", "0", "cpu", "61", "parameters", "—", "61,706"]
    assert words[5] == ["test", "accuracy", "—", "98.75%"]


def test_table_shows_other_quantities_as_plain_numbers():
    lines = table({"run": report(results={"loss_ratio": 0.87654}, comparison=[])}).splitlines()
    assert lines[2].split()[-4:] == ["loss", "ratio", "—", "0.8765"]


def test_table_names_runs_that_have_not_ended():
    lines = table({"run": report(status="interrupted", results={}, comparison=[])}).splitlines()
    assert lines[-1].split() == ["run", "digits", "0", "cpu", "61", "—", "(interrupted)"]


def test_table_names_recipes_that_were_not_run():
    lines = table({"run": report()}, names=["lenet5", "nin"]).splitlines()
    assert lines[-1].split() == ["nin", "—", "(not", "run)"]
    assert sum("(not run)" in line for line in lines) == 1


def test_figures_without_a_result_are_left_out():
    figures = [recipes.Figure("test_accuracy", 0.99, "a document")]
    assert comparison(figures, {"parameters": 3}) == []


def test_report_is_read_as_it_was_written(tmp_path):
    write_report(tmp_path / "a", report())
    assert recipes.read_report(tmp_path / "a") == report()


def test_reports_are_found_in_a_folder_of_runs_and_in_a_run(tmp_path):
    write_report(tmp_path / "b", report())
    write_report(tmp_path / "a", report())
    (tmp_path / "c").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert list(recipes.find_reports(tmp_path)) == ["a", "b"]
    assert list(recipes.find_reports(tmp_path / "b")) == ["b"]
    assert recipes.find_reports(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "not a readable report"),
        (b"\xff\xfe", "not a readable report"),
        (b"[]", "'recipe' is missing or is not a str"),
        (json.dumps(report(settings=3)).encode(), "'settings' is missing or is not a dict"),
    ],
)
def test_damaged_reports_are_refused_by_name(tmp_path, content, text):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(DataError, match=f"report.json: {text}"):
        recipes.read_report(tmp_path)
