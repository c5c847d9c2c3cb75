"""The reliability diagram: how often a classifier is right, over how sure it is."""

import numpy as np

from tinynet.inspection.figures import new_figure, save_figure

__all__ = ["reliability_diagram"]

ACCURACY, SHARE = "#3b6fb6", "#8a8a8a"
TOO_SURE, TOO_UNSURE = "#eda9a2", "#f2c75c"


def reliability_diagram(path, bins, titles=None):
    """Draws the accuracy in each bin of confidence, with the gap to the diagonal of perfect calibration.

    Blue bars are the accuracy. Red ones on top of them lead up to the mean confidence, where the classifier
    is surer than it ought to be; yellow ones lead down to it, where it is less sure. Below stands the share
    of the samples in each bin.

    Args:
        path: the PNG file to write.
        bins: a `Reliability`, as `tinynet.training.calibration.reliability` gives it, or a list of them
            that are drawn side by side, before and after calibration for instance.
        titles: a text above each, or None.

    Returns:
        The path.

    Raises:
        MissingExtraError: Matplotlib isn't installed.

    C. Guo et al., "On calibration of modern neural networks", 2017, figures 1 and 4.
    """
    every = list(bins) if isinstance(bins, (list, tuple)) else [bins]
    titles = [titles] if isinstance(titles, str) else titles or [""] * len(every)
    figure = new_figure(3.6 * len(every), 4.8)
    axes = figure.subplots(2, len(every), squeeze=False, sharex=True, height_ratios=(3, 1))
    for column, (one, title) in enumerate(zip(every, titles, strict=True)):
        _draw_accuracy(axes[0, column], one, title)
        _draw_shares(axes[1, column], one)
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("share of samples")
    return save_figure(figure, path)


def _draw_accuracy(axes, bins, title):
    filled = bins.counts > 0
    left, width = bins.edges[:-1][filled], np.diff(bins.edges)[filled]
    style = {"align": "edge", "edgecolor": "white", "linewidth": 0.5}
    axes.bar(left, bins.accuracy[filled], width, color=ACCURACY, label="accuracy", **style)
    for label, colour, sign in (("too sure", TOO_SURE, -1), ("too unsure", TOO_UNSURE, 1)):
        gaps = np.maximum(sign * bins.gaps[filled], 0)
        bottom = np.minimum(bins.accuracy, bins.confidence)[filled]
        axes.bar(left, gaps, width, bottom=bottom, color=colour, label=label, **style)
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    axes.text(
        0.97,
        0.04,
        f"expected error {bins.expected_error:.4f}\nmaximum error {bins.maximum_error:.4f}",
        ha="right",
        va="bottom",
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85},
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_title(title)
    axes.legend(loc="upper left", fontsize=8)


def _draw_shares(axes, bins):
    shares = bins.counts / bins.counts.sum()
    axes.bar(
        bins.edges[:-1],
        shares,
        np.diff(bins.edges),
        align="edge",
        color=SHARE,
        edgecolor="white",
        linewidth=0.5,
    )
    axes.set_ylim(0, 1)
    axes.set_xlabel("confidence")
