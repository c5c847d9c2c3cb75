"""What `import tinynet` costs on top of NumPy's own import.

    python -m benchmarks.import_time [--rounds 15] [--json benchmarks/results/import_time.json]

Every import happens in a process of its own; the processes take turns. The time is that of the import
statement, without the start of Python, and with all bytecode compiled before, as it is after installation.
"""

import argparse
import os
import subprocess
import sys
import tempfile

from benchmarks.timing import Timing, machine, write_json

PROGRAM = "from time import perf_counter; start = perf_counter(); import {}; print(perf_counter() - start)"
BUDGET = 0.060


def seconds_to_import(module, bytecode):
    """How long a fresh process takes to import a module, with its bytecode in the folder `bytecode`."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    command = [sys.executable, "-c", PROGRAM.format(module)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(result.stdout)


def measure(rounds):
    """Timings of both imports, and of their difference within each round."""
    modules = ("numpy", "tinynet")
    seconds = {module: [] for module in modules}
    with tempfile.TemporaryDirectory() as bytecode:
        for module in modules:  # compiles the bytecode and warms the file cache
            seconds_to_import(module, bytecode)
        for turn in range(rounds):
            for module in modules if turn % 2 else reversed(modules):
                seconds[module].append(seconds_to_import(module, bytecode))
    seconds["difference"] = [b - a for a, b in zip(*seconds.values(), strict=True)]
    return {name: Timing.of(measured) for name, measured in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each import is timed")
    parser.add_argument("--json", metavar="PATH", help="write the results to this file as well")
    options = parser.parse_args()
    results = measure(options.rounds)
    for name, timing in results.items():
        spread = (timing.high - timing.low) / 2
        print(f"{name:12}{timing.median * 1e3:8.1f} ± {spread * 1e3:.1f} ms")
    verdict = "within" if results["difference"].median <= BUDGET else "above"
    print(f"the difference is {verdict} the budget of {BUDGET * 1e3:.0f} ms")
    if options.json:
        write_json(options.json, {"machine": machine("tinynet", "numpy"), "seconds": results})


if __name__ == "__main__":
    main()
