"""`report.json`: what a run was, what it obtained, and what is documented, side by side."""

import json
import platform
from pathlib import Path

import numpy as np

import tinynet
from tinynet.errors import DataError
from tinynet.training.files import written_whole

__all__ = ["FILE_NAME", "comparison", "find_reports", "read_report", "table", "versions", "write_report"]

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


def table(reports):
    """A text table: for each run, and each quantity, the documented figure and the one obtained."""
    rows = [("run", "data", "quantity", "documented", "obtained", "")]
    for name, report in reports.items():
        lines = list(_lines(report)) or [("—", "", "", f"({report['status']})")]
        for index, line in enumerate(lines):
            rows.append(((name, report["data"]) if index == 0 else ("", "")) + line)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    texts = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([texts[0], "─" * len(max(texts, key=len)), *texts[1:]])


def _lines(report):
    compared = set()
    for row in report["comparison"]:
        compared.add(row["quantity"])
        verdict = "reached" if row["reached"] else "not reached"
        texts = (_text(row["quantity"], row[key]) for key in ("documented", "obtained"))
        yield row["quantity"].replace("_", " "), *texts, f"{verdict} · {row['origin']}"
    for quantity in ("parameters", "test_accuracy"):
        if quantity in report["results"] and quantity not in compared:
            yield quantity.replace("_", " "), "—", _text(quantity, report["results"][quantity]), ""


def _text(quantity, value):
    return f"{value:,}" if quantity == "parameters" else f"{value:.2%}"


def _aligned(row, widths):
    for column, (text, width) in enumerate(zip(row, widths, strict=True)):
        yield text.rjust(width) if column in (3, 4) else text.ljust(width)
