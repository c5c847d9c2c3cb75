"""Importing tinynet is cheap and changes nothing."""

import json
import subprocess
import sys

LATE = {"numba", "cupy", "matplotlib", "PIL", "sklearn", "tqdm", "safetensors", "scipy", "torch", "h5py"}

PROGRAM = """
import json, logging, os, random, signal, sys, threading, warnings
import numpy as np

def state():
    return {
        "error handling": np.geterr(),
        "print options": {key: str(value) for key, value in np.get_printoptions().items()},
        "random state": [str(part) for part in np.random.get_state()],
        "random module": hash(random.getstate()),
        "environment": dict(os.environ),
        "warning filters": [str(entry) for entry in warnings.filters],
        "threads": threading.active_count(),
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "log handlers": len(logging.getLogger().handlers),
        "interrupt": str(signal.getsignal(signal.SIGINT)),
        "excepthook": sys.excepthook is sys.__excepthook__,
        "search path": sys.path[:],
    }

before = state()
modules = set(sys.modules)
import tinynet as tn
x = tn.tensor([1.0, 2.0], requires_grad=True)
((x * x + x) / 2.0).backward(tn.tensor([1.0, 1.0]))
after = state()
print(json.dumps({
    "changed": [key for key in before if before[key] != after[key]],
    "modules": sorted(set(sys.modules) - modules),
}))
"""


def run(program):
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    return json.loads(result.stdout)


def test_import_changes_nothing_global_and_brings_in_nothing_heavy():
    report = run(PROGRAM)
    assert report["changed"] == []
    imported = {name.partition(".")[0] for name in report["modules"]}
    assert not imported & LATE
    assert "tinynet" in imported


def test_rooms_are_imported_on_first_use():
    report = run(
        "import json, sys, tinynet as tn\n"
        "before = [name for name in sys.modules if name.startswith(('tinynet.data', 'tinynet.models'))]\n"
        "tn.data\n"
        "print(json.dumps({'before': before, 'after': 'tinynet.data' in sys.modules}))"
    )
    assert report == {"before": [], "after": True}


def test_what_does_not_exist_is_an_ordinary_attribute_error():
    report = run(
        "import json, tinynet as tn\n"
        "print(json.dumps([hasattr(tn, 'nonsense'), 'nn' in dir(tn), callable(tn.gradcheck)]))"
    )
    assert report == [False, True, True]
