"""tinynet beside other engines in Python.

    python -m benchmarks.engines [--python PATH …] [--rounds 7] [--output FOLDER]

Takes part who can be imported here or by an interpreter that is named; the README of the folder above shows
how to make an environment for all of them. Prints a table; with ``--output`` writes engines.md and
engines.json as well.
"""

import argparse
import sys
from datetime import date
from pathlib import Path

from benchmarks.engines.measurement import measure_engines, start_engines
from benchmarks.engines.table import as_markdown
from benchmarks.engines.tasks import CHAINS
from benchmarks.timing import machine, write_json


def main():
    options = _options()
    engines, problems = start_engines(options.python, lambda line: print(line, file=sys.stderr))
    try:
        tasks = _per_operation(dict(measure_engines(engines, options.rounds)))
    finally:
        for engine in engines.values():
            engine.stop()
    results = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": {name: engine.versions for name, engine in engines.items()},
        "problems": problems,
        "tasks": tasks,
    }
    print(as_markdown(results))
    if options.output:
        write_json(options.output / "engines.json", results)
        (options.output / "engines.md").write_text(as_markdown(results))


def _per_operation(tasks):
    """The timings of chains for one operation."""
    lengths = {chain.name: chain.length for chain in CHAINS}
    return {
        task: {
            name: timing if isinstance(timing, str) else timing.per(lengths.get(task, 1))
            for name, timing in timings.items()
        }
        for task, timings in tasks.items()
    }


def _options():
    description = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=description)
    parser.add_argument(
        "--python", metavar="PATH", action="append", default=[], help="an interpreter that has other engines"
    )
    parser.add_argument("--rounds", type=int, default=7, help="how many turns of each are timed")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
