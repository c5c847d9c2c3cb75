"""All benchmarks in one run.

    python -m benchmarks [--full] [--rounds 7] [--only NAME …] [--compile] [--output FOLDER]

Writes cpu.json, cpu.md and cpu.png to benchmarks/results/. With ``--only``, which takes a piece of any name
in the tables, or of memory, interplay, startup or import, it prints, and writes only if told where.
"""

import argparse
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from subprocess import CalledProcessError

from benchmarks import (
    capsules,
    convolutions,
    inference,
    layers,
    optimizers,
    products,
    sequences,
    training_steps,
)
from benchmarks.comparison import Outcome, chosen, measure, show
from benchmarks.machine import Peaks, best_of, measure_peaks, show_peaks
from benchmarks.pytorch import require_compiler, torch
from benchmarks.report import as_markdown, describe_machine
from benchmarks.startup import measure_startup
from benchmarks.subprocesses import run_module, run_with_json
from benchmarks.timing import Timing, machine, write_json

RESULTS = Path(__file__).parent / "results"

GRAPH = "graph, per operation"

LEAST_GRAPH_ROUNDS = 40  # its turns are short


def comparisons(full, compiled):
    """All comparisons, in the order of the tables."""
    return [
        *training_steps.comparisons(compiled),
        *inference.comparisons(compiled),
        *(
            c
            for module in (convolutions, products, layers, sequences, capsules, optimizers)
            for c in module.comparisons(full)
        ),
    ]


def graph_outcomes(rounds):
    """What an operation of the graph costs, measured by `benchmarks.overhead` in at least so many rounds."""
    rounds = str(max(rounds, LEAST_GRAPH_ROUNDS))
    chains = run_with_json("overhead", "--rounds", rounds)["seconds_per_operation"]
    labels = {"tinynet": "tinynet", "pytorch": "PyTorch"}
    for name, engines in chains.items():
        seconds = {labels[engine]: Timing(**timing) for engine, timing in engines.items()}
        yield Outcome(name, GRAPH, seconds)


# Measurements that are no comparisons of times, each in processes of its own.
OTHER_PARTS = {
    "memory": lambda: run_with_json("memory")["peak"],
    "interplay": lambda: run_module("blas_interplay"),
    "startup": measure_startup,
    "import": lambda: run_with_json("import_time")["seconds"],
}


def main():
    options = _options()
    if options.compile:
        require_compiler()
    print(f"PyTorch {torch.__version__}" if torch else "PyTorch is not installed: only our own figures")
    results = {
        "date": date.today().isoformat(),
        "machine": machine("tinynet", "numpy", "numba", "torch"),
        "peaks": asdict(measure_peaks()),
        "rounds": options.rounds,
    }
    show_peaks(results["peaks"])
    selected = chosen(comparisons(options.full, options.compile), options.only)
    outcomes = show(measure(selected, options.rounds))
    if _is_wanted(GRAPH, options.only):
        outcomes += show(graph_outcomes(options.rounds))
    for name, measurement in OTHER_PARTS.items():
        if _is_wanted(name, options.only):
            print(f"\n{name} …", flush=True)
            try:
                results[name] = measurement()
                print(results[name])
            except CalledProcessError as error:  # memory, for one, can only be measured on Linux
                print(f"not measured: {error}", file=sys.stderr)
    results["peaks"] = asdict(best_of(Peaks(**results["peaks"]), measure_peaks()))
    results["comparisons"] = [asdict(outcome) for outcome in outcomes]
    if options.output or not options.only:
        _write(options.output or RESULTS, results, outcomes)
    problems = [outcome for outcome in outcomes if outcome.problem]
    if problems:
        sys.exit("\n".join(f"{outcome.full_name}: {outcome.problem}" for outcome in problems))


def _options():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="tinynet beside PyTorch.")
    parser.add_argument("--full", action="store_true", help="more shapes and twice as many rounds")
    parser.add_argument("--rounds", type=int, help="how many turns of each are timed; 7, or 15 with --full")
    parser.add_argument("--only", metavar="NAME", action="append", help="only what has this in its name")
    parser.add_argument("--compile", action="store_true", help="torch.compile takes part (needs a compiler)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go")
    options = parser.parse_args()
    options.rounds = options.rounds or (15 if options.full else 7)
    return options


def _is_wanted(name, words):
    return not words or any(word.lower() in name for word in words)


def _write(folder, results, outcomes):
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "cpu.json", results)
    (folder / "cpu.md").write_text(as_markdown(results, outcomes))
    try:
        from benchmarks.picture import draw

        draw(folder / "cpu.png", results, outcomes)
    except ImportError:
        print("no picture: it needs matplotlib (pip install 'tinynet[plot]')", file=sys.stderr)
    print(describe_machine(results))


if __name__ == "__main__":
    main()
