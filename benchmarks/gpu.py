"""tinynet beside PyTorch on a GPU, in one run.

    python -m benchmarks.gpu [--only NAME …] [--rounds 7] [--compile] [--output FOLDER]

Writes gpu.json and gpu.md, anew after every comparison, so that a run that is cut short leaves what it has
found; gpu.png at the end. What has a target comes first. With ``--only`` it prints, and writes only if told
where.

Times are of the wall clock, from when the GPU is idle to when it is idle again, over so many calls that they
take 50 ms. Events of CUDA would leave out what the host does before the first kernel; for small networks that
is most of a step, and both sides have it. Both use the same stream of the same device.
"""

import argparse
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

import tinynet as tn
from benchmarks import comparison, place
from benchmarks.comparison import Outcome, chosen, shown
from benchmarks.gpu_machine import describe_gpu, measure_gpu_peaks
from benchmarks.gpu_report import as_markdown, describe_gpu_run, without_compiled
from benchmarks.gpu_rows import FULL, comparisons
from benchmarks.pytorch import require_compiler, torch
from benchmarks.timing import write_json

__all__ = ["main", "measure_all"]

RESULTS = Path(__file__).parent / "results"

TITLE = "tinynet against PyTorch on a GPU: how many times faster"

SECONDS_OF_TURN = 0.05


def measure_all(comparisons, rounds):
    """Yields the `Outcome` of one comparison after the other on the GPU, also of those that fail."""
    for task in comparisons:
        with place.on("cuda", task.precision):
            try:
                (outcome,) = comparison.measure([task], rounds, SECONDS_OF_TURN)
            except Exception as error:  # one that can't be compiled or doesn't fit must not cost the others
                details = {name: value for name, value in vars(task).items() if name != "prepare"}
                outcome = Outcome(**details, seconds={}, problem=f"{type(error).__name__}: {error}"[:300])
        yield outcome
        _release_memory()


def main(arguments=None):
    options = _options(arguments)
    if not tn.cuda_is_available():
        sys.exit("benchmarks.gpu: needs a GPU and CuPy; python -m benchmarks measures the CPU")
    if options.compile:
        require_compiler()
    print(_describe_pytorch())
    with place.on("cuda"):
        results = {
            "date": date.today().isoformat(),
            "machine": describe_gpu(),
            "peaks": measure_gpu_peaks(),
            "rounds": options.rounds,
        }
    print(describe_gpu_run(results))
    folder = options.output or (None if options.only else RESULTS)
    outcomes, tasks = [], chosen(comparisons(FULL, options.compile), options.only)
    for outcome in shown(measure_all(tasks, options.rounds)):
        outcomes.append(outcome)
        if folder is not None:
            _write(folder, results, outcomes)
    if folder is not None:
        _draw(folder, results, outcomes)
    problems = [outcome for outcome in outcomes if outcome.problem]
    if problems:
        sys.exit("\n".join(f"{outcome.full_name}: {outcome.problem}" for outcome in problems))


def _options(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="how many turns of each are timed")
    parser.add_argument("--only", metavar="NAME", action="append", help="only what has this in its name")
    parser.add_argument("--compile", action="store_true", help="torch.compile takes part (needs a compiler)")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where the results go")
    return parser.parse_args(arguments)


def _describe_pytorch():
    if torch is None:
        return "PyTorch is not installed: only our own figures"
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no GPU: only our own figures"
    return f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"


def _release_memory():
    """Both libraries keep what they have had; the next comparison may need it on the other side."""
    sys.modules["cupy"].get_default_memory_pool().free_all_blocks()
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _write(folder, results, outcomes):
    results["comparisons"] = [asdict(outcome) for outcome in outcomes]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "gpu.json", results, quietly=True)
    (folder / "gpu.md").write_text(as_markdown(results, outcomes))


def _draw(folder, results, outcomes):
    try:
        from benchmarks.picture import draw

        caption = (
            "Time of the fastest rival (PyTorch without its compiler) divided by that of our fastest way."
        )
        caption = f"{caption} {describe_gpu_run(results)}. {results['date']}."
        draw(folder / "gpu.png", results, [*map(without_compiled, outcomes)], TITLE, caption)
    except ImportError:
        print("no picture: it needs matplotlib (pip install 'tinynet[plot]')", file=sys.stderr)


if __name__ == "__main__":
    main()
