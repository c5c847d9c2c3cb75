"""Every engine in its own process, all of them in turns."""

import json
import subprocess
import sys
from pathlib import Path
from time import sleep

from benchmarks.comparison import OURS
from benchmarks.timing import Timing, in_turns

__all__ = ["Engine", "disagreement", "measure_engines", "start_engines"]

ROOT = Path(__file__).resolve().parents[2]

RIVALS = ("mygrad", "autograd", "dezero", "chainer")

TOLERANCE = 1e-4  # relative, of losses and gradients

# Threads of BLAS go on spinning for a while after a product; the next engine's turn begins when they sleep.
SECONDS_BETWEEN_TURNS = 0.1

PROBLEM_IF_NOWHERE = "not installed"


class Engine:
    """An engine in a process of its own.

    Args:
        name: of the engine, which is that of its distribution.
        python: the interpreter that has it.

    Attributes:
        versions: of the engine, NumPy and Python.
        tasks: by task the numbers by which engines are compared, and what `worker` found besides.

    Raises:
        RuntimeError: the engine could not be started; the message is the last line of its complaint.
    """

    def __init__(self, name, python):
        self.name = name
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", "benchmarks.engines.worker", name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        first_line = self._process.stdout.readline()
        if not first_line:
            _, complaint = self._process.communicate()
            raise RuntimeError((complaint.strip().splitlines() or ["no answer"])[-1])
        description = json.loads(first_line)
        self.versions, self.tasks = description["versions"], description["tasks"]

    def take_turn(self, task):
        """Seconds per run of a task."""
        sleep(SECONDS_BETWEEN_TURNS)
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.stderr.close()
        self._process.wait()


def start_engines(pythons, report):
    """Starts tinynet in this interpreter, and each other engine in the first interpreter that has it.

    Args:
        pythons: paths of interpreters besides this one.
        report: called with a line of text per engine.

    Returns:
        The engines that run, by name, and for the others why not.
    """
    engines, problems = {}, {}
    for name in (OURS, *RIVALS):
        candidates = [sys.executable] if name == OURS else [sys.executable, *pythons]
        problems[name] = PROBLEM_IF_NOWHERE
        for python in candidates:
            try:
                engines[name] = Engine(name, python)
            except RuntimeError as error:
                if f"No package metadata was found for {name}" not in str(error):
                    problems[name] = str(error)
            else:
                del problems[name]
                break
        report(f"{name}: {problems.get(name, 'ready')}")
    if OURS in problems:
        raise RuntimeError(f"tinynet does not run: {problems[OURS]}")
    return engines, problems


def measure_engines(engines, rounds):
    """Yields each task, and by engine its `Timing` or, if it computed something else, a text that says so.

    What takes an engine more than seconds was timed when it was started, once.
    """
    expected = engines[OURS].tasks
    for task in expected:
        found, runners = {}, []
        for name, engine in engines.items():
            description = engine.tasks[task]
            difference = disagreement(expected[task]["numbers"], description["numbers"])
            if difference > TOLERANCE:
                found[name] = f"differs from tinynet by {difference:.1e}"
            elif description["is_slow"]:
                found[name] = Timing(*[description["seconds"]] * 3)
            else:
                runners.append(name)
        turns = in_turns(runners, rounds, lambda name, task=task: engines[name].take_turn(task))
        found.update((name, Timing.of(seconds)) for name, seconds in turns.items())
        yield task, {name: found[name] for name in engines}


def disagreement(expected, found):
    """By how much numbers differ at most, relative to the largest of them; inf if one is missing or NaN."""
    if len(expected) != len(found):
        return float("inf")
    scale = max(abs(number) for number in expected)
    differences = [abs(a - b) / scale for a, b in zip(expected, found, strict=True)]
    return max(difference if difference == difference else float("inf") for difference in differences)
