"""The GPU's results as tables: what `python -m benchmarks.gpu` writes to gpu.md."""

from benchmarks.comparison import is_ours
from benchmarks.gpu_rows import ADAM_TARGET, TARGETS
from benchmarks.report import comparison_table, table

__all__ = ["as_markdown", "describe_gpu_run", "without_compiled"]


def describe_gpu_run(results):
    """The machine and the versions in one line."""
    machine, peaks = results["machine"], results["peaks"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    flops = ", ".join(f"{rate / 1e12:.0f} TFLOP/s in {name}" for name, rate in peaks["flops"].items())
    return (
        f"{machine['gpu']} ({machine['memory'] / 2**30:.0f} GiB), CUDA {machine['cuda']}, driver "
        f"{machine['driver']}; measured peaks {flops}, {peaks['bandwidth'] / 1e12:.2f} TB/s; host "
        f"{machine['processor']}; Python {machine['python']}, CuPy {machine['cupy']}, {versions}"
    )


def as_markdown(results, outcomes):
    """All tables.

    Args:
        results: what stands in the JSON: machine, peaks, rounds and date.
        outcomes: the `Outcome` of the comparisons so far.
    """
    sections = [
        f"# tinynet on a GPU\n\n{describe_gpu_run(results)}. Measured on {results['date']}.",
        f"Medians of {results['rounds']} interleaved rounds, ± half the distance between the quartiles, of "
        "the wall clock around so many calls that they take 50 ms; the GPU is waited for at the beginning "
        "and at the end of a round. *Ratio*: the median of the fastest rival divided by that of our fastest "
        "way. *Of the peak*: what the task's formula has to compute, or to read and write, per second, as a "
        "part of what products of large matrices in the same precision, or a copy, reach on this card.",
        _target_table(outcomes, results["peaks"]),
    ]
    for group in dict.fromkeys(outcome.group for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.group == group]
        sections.append(comparison_table(group, rows, results["peaks"]))
    return "\n\n".join(filter(None, sections)) + "\n"


def _target_table(outcomes, peaks):
    """What is expected of us, and what came out; PyTorch without its compiler."""
    rows = []
    for outcome in map(without_compiled, outcomes):
        wanted = next((least for name, least in TARGETS.items() if outcome.name.startswith(name)), None)
        if wanted is not None and outcome.ratio is not None:
            rows.append([outcome.full_name, f"≥ {wanted:g} ×", f"{outcome.ratio:.2f} ×"])
        elif outcome.name.startswith("Adam") and outcome.ours is not None:
            part = outcome.bytes / peaks["bandwidth"] / outcome.ours.median
            rows.append([outcome.full_name, f"≥ {ADAM_TARGET:.0%} of the bandwidth", f"{part:.0%}"])
    return table(["target, against PyTorch without its compiler", "wanted", "found"], rows) if rows else ""


def without_compiled(outcome):
    """The outcome without candidates that torch.compile made."""
    kept = {name: t for name, t in outcome.seconds.items() if is_ours(name) or "compiled" not in name}
    return type(outcome)(**{**vars(outcome), "seconds": kept})
