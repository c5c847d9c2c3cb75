"""Matplotlib figures that are drawn to files, without the global state of pyplot."""

from pathlib import Path

from tinynet.errors import MissingExtraError

__all__ = ["new_figure", "save_figure"]


def new_figure(width, height):
    """An empty figure of that size in inches, to be drawn by Matplotlib's Agg renderer.

    Raises:
        MissingExtraError: Matplotlib isn't installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("drawing pictures", "matplotlib", extra="plot") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure, path, dots_per_inch=100):
    """Writes the figure as PNG, making the folder where needed. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=dots_per_inch)
    return path
