"""Worker threads and processes: same batches, clear errors, nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import traceback

import numpy as np
import pytest

from tinynet.data import ArrayDataset, Compose, DataLoader, LoadingError, RandomCrop, Scale
from tinynet.errors import ArgumentError, MissingExtraError

X = np.random.default_rng(0).integers(0, 256, (13, 6, 5, 3), dtype=np.uint8)
Y = np.arange(13)
KINDS = ["thread", "process"]


class FailAt:
    """Does something bad when it meets sample 6."""

    def __init__(self, how):
        self.how = how

    def __call__(self, x, rng):
        if (x == X[6]).all():
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "awkward":
                raise MissingExtraError("a test", "nothing", extra="none")
            raise ValueError("bad pixels")
        return x


def load(kind, transform, **arguments):
    return DataLoader(
        ArrayDataset(X, Y), batch_size=3, workers=2, worker_type=kind, transform=transform, **arguments
    )


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tinynet-loader")]


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    yield
    assert worker_threads() == []
    assert multiprocessing.active_children() == []


def test_processes_make_the_same_batches():
    augment = Compose(RandomCrop((6, 5), padding=2), Scale())
    arguments = {"batch_size": 3, "shuffle": True, "seed": 4, "transform": augment}
    alone = list(DataLoader(ArrayDataset(X, Y), **arguments).iterate(2, start_batch=1))
    helped = list(
        DataLoader(ArrayDataset(X, Y), workers=2, worker_type="process", **arguments).iterate(
            2, start_batch=1
        )
    )
    assert len(alone) == len(helped) == 4
    for one, other in zip(alone, helped, strict=True):
        np.testing.assert_array_equal(one[0].numpy(), other[0].numpy())
        np.testing.assert_array_equal(one[1].numpy(), other[1].numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("how", "message"),
    [("error", "ValueError: bad pixels"), ("awkward", "MissingExtraError: a test needs nothing")],
)
def test_an_error_arrives_with_its_origin(kind, how, message):
    batches = iter(load(kind, FailAt(how)))
    next(batches)
    next(batches)
    with pytest.raises(LoadingError, match=f"DataLoader: sample 6 in epoch 0 failed: {message}") as caught:
        next(batches)
    text = "".join(traceback.format_exception(caught.value))
    assert "in __call__" in text and message in text


@pytest.mark.parametrize("kind", KINDS)
def test_breaking_off_ends_the_workers(kind):
    for number, _ in enumerate(load(kind, None)):
        if number == 1:
            assert worker_threads() or multiprocessing.active_children()
            break
    assert worker_threads() == []
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_in_the_loop_ends_the_workers(kind):
    with pytest.raises(KeyboardInterrupt):
        for _ in load(kind, None):
            raise KeyboardInterrupt
    assert worker_threads() == []
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_is_reported():
    with pytest.raises(
        LoadingError, match=r"a worker process ended abruptly: it was killed \(out of memory\?\)"
    ):
        list(load("process", FailAt("kill")))


def test_what_cannot_be_pickled_is_refused():
    with pytest.raises(ArgumentError, match=r"must be picklable.*worker_type='thread' has no such need"):
        list(load("process", lambda x, rng: x))


@pytest.mark.skipif(os.name != "posix", reason="process groups and signals as on POSIX")
def test_ctrl_c_for_the_whole_process_group_and_sudden_death_leave_no_process(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing, sys
            import numpy as np
            from tinynet.data import ArrayDataset, DataLoader

            if __name__ == "__main__":
                loader = DataLoader(ArrayDataset(np.arange(1000)), workers=2, worker_type="process")
                batches = iter(loader)
                next(batches)
                try:
                    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
                    sys.stdin.read()
                except KeyboardInterrupt:
                    batches.close()
                    print("children", len(multiprocessing.active_children()), flush=True)
            """
        )
    )
    for how, expected in ((signal.SIGINT, "children 0"), (signal.SIGKILL, "")):
        with subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as process:
            children = process.stdout.readline().split()
            assert len(children) == 2
            if how == signal.SIGINT:
                os.killpg(process.pid, how)
            else:
                process.kill()
            # The pipe's other end is open in the workers too: reading ends when all of them have ended.
            assert process.stdout.read().strip() == expected
