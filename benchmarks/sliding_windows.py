"""Sliding windows: every window cut out and classified, beside the classifier turned into convolutions.

    python -m benchmarks.sliding_windows [--rounds 7] [--full]

Both give the same numbers, which is checked before anything is timed. Only what windows share is saved: the
last columns are how many times fewer multiplications there are, and how many times faster it is. Where dense
layers do most of the work, as in the classifier of 14 × 14, that is little.
"""

import argparse

import numpy as np

from benchmarks.comparison import OURS, check_agreement
from benchmarks.timing import interleaved
from tinynet import models, nn
from tinynet.autograd import no_grad
from tinynet.models.window_classifier import WindowClassifier
from tinynet.vision import classify_windows

__all__ = ["candidates", "main", "speed_up"]

TOLERANCE = 1e-4  # relative

# Name, model, stride of the windows, height and width of the images.
CASES = (
    ("14 × 14 every 2 pixels", WindowClassifier, 2, (16, 16)),
    ("14 × 14 every 2 pixels", WindowClassifier, 2, (28, 28)),
    ("14 × 14 every 2 pixels", WindowClassifier, 2, (100, 100)),
    ("LeNet-5, 32 × 32 every 4 pixels", models.LeNet5, 4, (128, 128)),
)
ADDITIONAL_CASES = (
    ("14 × 14 every 2 pixels", WindowClassifier, 2, (256, 256)),
    ("LeNet-5, 32 × 32 every 4 pixels", models.LeNet5, 4, (512, 512)),
)


def candidates(model, stride, size):
    """Two functions without arguments, (1, rows, columns, classes) each: at once, and window by window."""
    height, width, channels = model.input_shape
    images = np.random.default_rng(0).random((1, *size, channels), np.float32)
    sliding = nn.fully_convolutional(model)

    def at_once():
        with no_grad():
            return sliding(images).numpy()

    return {
        OURS: at_once,
        "window by window": lambda: classify_windows(model, images, (height, width), stride),
    }


def speed_up(model, stride, size, rounds=7):
    """The number of windows, and the `Timing` of each candidate, which have to agree."""
    functions = candidates(model, stride, size)
    answers = {name: function() for name, function in functions.items()}
    check_agreement(answers, TOLERANCE)
    return answers[OURS].size // answers[OURS].shape[-1], interleaved(functions, rounds, least_seconds=0.02)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="how many turns of each are timed")
    parser.add_argument("--full", action="store_true", help="larger images")
    options = parser.parse_args()
    for name, build, stride, size in CASES + (ADDITIONAL_CASES if options.full else ()):
        model = build()
        windows, seconds = speed_up(model, stride, size, options.rounds)
        at_once, one_by_one = seconds.values()
        channels = model.input_shape[-1]
        shared = nn.summarize(nn.fully_convolutional(model), (*size, channels)).multiply_adds
        saved = windows * nn.summarize(model, model.input_shape).multiply_adds / shared
        print(
            f"{name:34}{size[0]:4} × {size[1]:<4}{windows:6} windows"
            f"{one_by_one.median * 1e3:9.3g} ms{at_once.median * 1e3:9.3g} ms"
            f"{saved:7.1f} ×{one_by_one.median / at_once.median:7.1f} ×",
            flush=True,
        )


if __name__ == "__main__":
    main()
