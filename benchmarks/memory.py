"""How much memory a training step takes at its peak, and how many fresh pages it touches: ours and PyTorch.

    python -m benchmarks.memory [--only NAME] [--json benchmarks/results/memory.json]

Every figure comes from a process of its own, since memory that was used once may stay with a process. The
peak is that of resident memory over some training steps, less what was resident when the model was built:
gradients, the optimiser's state, activations and whatever the engine keeps in reserve. The steps run once
before with another copy of the model, so that code that is loaded or compiled on first use isn't counted.
"""

import argparse
import ctypes
import gc
import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison import OURS
from benchmarks.networks import NETWORKS
from benchmarks.pytorch import FORMATS, memory_formats, torch
from benchmarks.timing import machine, write_json
from benchmarks.training_steps import step_in_pytorch, step_in_tinynet

__all__ = ["Peak", "measure", "show"]

STEPS = 4

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Peak:
    """What training took in one process.

    Attributes:
        bytes: resident memory at its peak, less that after the model was built.
        page_faults: pages touched for the first time, in the last step.
    """

    bytes: int
    page_faults: int


def measure(names=None):
    """The `Peak` of each engine by network; only networks in whose name one of `names` occurs.

    Raises:
        OSError: the system doesn't tell the peak of resident memory (all but Linux).
    """
    if not Path("/proc/self/clear_refs").exists():
        raise OSError("benchmarks.memory: needs /proc/self/clear_refs and VmHWM, which Linux has")
    engines = [OURS, *(FORMATS if torch is not None else ())]
    return {
        name: {engine: _in_child(engine, name) for engine in engines}
        for name in NETWORKS
        if not names or any(word.lower() in name.lower() for word in names)
    }


def _in_child(engine, name):
    command = [sys.executable, "-m", "benchmarks.memory", "--child", engine, name]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    return Peak(**json.loads(finished.stdout))


def peak_of_training(engine, name):
    """The `Peak` of this process while it trains a network."""
    for _ in range(2):
        model, step = _prepared(engine, NETWORKS[name])
        peak = _peak_of(step, before=_give_back_and_measure())
        del model, step
    return peak


def _prepared(engine, network):
    if engine == OURS:
        return step_in_tinynet(network)
    return step_in_pytorch(network, memory_formats()[engine])


def _give_back_and_measure():
    """Resident bytes once everything that is free was given back to the system; the peak starts from here."""
    gc.collect()
    from tinynet_kernels import memory

    memory.release()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # there is none besides glibc's
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak_of(step, before):
    for _ in range(STEPS):
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        step()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return Peak(_status("VmHWM") - before, faults)


def _status(field):
    """A figure of the kernel about this process, in bytes."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def show(peaks):
    """Prints a table: MiB and page faults of each engine, and ours as a part of PyTorch's lower one."""
    for name, by_engine in peaks.items():
        row = [
            f"{engine} {peak.bytes / MEBIBYTE:.1f} MiB, {peak.page_faults} faults"
            for engine, peak in by_engine.items()
        ]
        rivals = [peak.bytes for engine, peak in by_engine.items() if engine != OURS]
        ratio = f"{by_engine[OURS].bytes / min(rivals):.2f} ×  " if rivals else ""
        print(f"{name:28}{ratio}{'   '.join(row)}")
    print(f"peak of resident memory over {STEPS} training steps; page faults of the last")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="only networks with this in their name"
    )
    parser.add_argument("--json", metavar="PATH", help="write the results to this file as well")
    parser.add_argument("--child", nargs=2, metavar=("ENGINE", "NETWORK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        # What the steps print doesn't belong to the result.
        results = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        peak = peak_of_training(*options.child)
        results.write(json.dumps({"bytes": peak.bytes, "page_faults": peak.page_faults}))
        results.close()
        return
    peaks = measure(options.only)
    show(peaks)
    if options.json:
        write_json(options.json, {"machine": machine("tinynet", "numpy", "torch"), "peak": peaks})


if __name__ == "__main__":
    main()
