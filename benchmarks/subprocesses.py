"""Measurements that need a process of their own: for start-up, memory, and threads that nobody else uses."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["run_module", "run_with_json"]

ROOT = Path(__file__).resolve().parent.parent


def run_with_json(name, *arguments):
    """Runs a module of this package that takes ``--json PATH``, and returns what it wrote there."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        _run([f"benchmarks.{name}", *arguments, "--json", str(results)], {})
        return json.loads(results.read_text())


def run_module(name, *arguments, environment=None):
    """Runs a module of this package that prints JSON, and returns what it printed.

    `environment` is what the process finds in its environment besides what this one has.
    """
    return json.loads(_run([f"benchmarks.{name}", *arguments], environment or {}))


def _run(arguments, environment):
    result = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return result.stdout
