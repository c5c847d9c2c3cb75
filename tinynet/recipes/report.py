"""`report.json`: what a run was, what it obtained, and what is documented, side by side."""

import json
import platform
import time
from pathlib import Path

import numpy as np

import tinynet
from tinynet.errors import DataError
from tinynet.training.files import written_whole

__all__ = [
    "FILE_NAME",
    "comparison",
    "find_reports",
    "make_report",
    "number_text",
    "read_report",
    "table",
    "versions",
    "write_report",
]

FILE_NAME = "report.json"

_FIELDS = {
    "recipe": str,
    "status": str,
    "data": str,
    "settings": dict,
    "model": dict,
    "results": dict,
    "comparison": list,
}


def make_report(recipe, settings, status, results, seconds, **details):
    """The report of a recipe or study at one moment, as ``report.json`` holds it.

    Args:
        recipe: a `Recipe` or a `Study`.
        settings: its settled settings.
        status: ``"running"``, ``"interrupted"`` or ``"finished"``.
        results: a dictionary from quantities to numbers.
        seconds: how long it trained.
        details: what else the report shall hold.
    """
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "source": recipe.source,
        "status": status,
        "data": settings["data"],
        "settings": settings,
        "model": {},
        "results": results,
        "comparison": comparison(recipe.figures_for(settings["data"]), results),
        "training_seconds": round(seconds, 3),
        "written_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": str(tinynet.default_device()),
        "versions": versions(),
        **details,
    }


def comparison(figures, results):
    """One row for each figure that the results have a number for: documented and obtained."""
    return [
        {
            "quantity": figure.quantity,
            "documented": figure.value,
            "obtained": results[figure.quantity],
            "reached": figure.is_reached(results[figure.quantity]),
            "origin": figure.origin,
        }
        for figure in figures
        if figure.quantity in results
    ]


def versions():
    """The versions of what computed, by name."""
    import numba

    return {
        "tinynet": tinynet.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "platform": platform.platform(),
    }


def write_report(folder, report):
    """Writes the report of a run into its folder, replacing the one that is there as a whole."""
    with written_whole(Path(folder) / FILE_NAME) as temporary:
        temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_report(folder):
    """The report in the folder of a run.

    Raises:
        DataError: there is none, it is damaged, or it lacks something.
    """
    path = Path(folder) / FILE_NAME
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder}: there is no run here ({FILE_NAME} is missing)") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable report: {error}") from error
    for field, kind in _FIELDS.items():
        if not isinstance(report, dict) or not isinstance(report.get(field), kind):
            raise DataError(f"{path}: {field!r} is missing or is not a {kind.__name__}")
    return report


def find_reports(root):
    """The reports of all runs in a folder (or of the folder itself, when it is a run), by folder name."""
    root = Path(root)
    folders = [root] if (root / FILE_NAME).exists() else sorted(root.glob("*/"))
    return {folder.resolve().name: read_report(folder) for folder in folders if (folder / FILE_NAME).exists()}


def table(reports, names=()):
    """A text table: for each run, and each quantity, the documented figure and the one obtained.

    Args:
        reports: the reports by folder name, as `find_reports` gives them.
        names: recipes; those without a report are listed as not run.
    """
    rows = [_HEADINGS]
    for name, report in reports.items():
        lines = list(_lines(report)) or [("—", "", "", f"({report['status']})")]
        rows += [(_run(name, report) if index == 0 else ("",) * 5) + line for index, line in enumerate(lines)]
    run = {report["recipe"] for report in reports.values()}
    rows += [(name, "", "", "", "", "—", "", "", "(not run)") for name in names if name not in run]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    texts = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([texts[0], "─" * len(max(texts, key=len)), *texts[1:]])


_HEADINGS = ("run", "data", "seed", "device", "seconds", "quantity", "documented", "obtained", "")
_RIGHT_ALIGNED = ("seed", "seconds", "documented", "obtained")


def _run(name, report):
    """What is said once about a run."""
    data = report["settings"].get("data", "")
    size = ", full size" if report["settings"].get("full") else ""
    seconds = report.get("training_seconds")
    return (
        name,
        f"{data}{size}",
        str(report["settings"].get("seed", "")),
        str(report.get("device", "")),
        "" if seconds is None else f"{seconds:,.0f}",
    )


def _lines(report):
    compared = set()
    for row in report["comparison"]:
        compared.add(row["quantity"])
        verdict = "reached" if row["reached"] else "not reached"
        texts = (number_text(row["quantity"], row[key]) for key in ("documented", "obtained"))
        yield row["quantity"].replace("_", " "), *texts, f"{verdict} · {row['origin']}"
    for quantity, value in report["results"].items():
        if quantity not in compared and quantity != "test_loss":
            yield quantity.replace("_", " "), "—", number_text(quantity, value), ""


def number_text(quantity, value):
    """A result as people read it: accuracies in per cent, counts in full, everything else in four digits."""
    if "accuracy" in quantity:
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _aligned(row, widths):
    for heading, text, width in zip(_HEADINGS, row, widths, strict=True):
        yield text.rjust(width) if heading in _RIGHT_ALIGNED else text.ljust(width)
