"""The graph of a network as a picture."""

from tinynet.inspection.figures import new_figure, save_figure
from tinynet.inspection.network_layout import layout

__all__ = ["network_picture"]

WIDTH, HEIGHT = 2.1, 0.8  # inches from box to box
BOX = (1.9, 0.5)
FUNCTION_BOX = (1.0, 0.26)
COLOURS = {"Conv": "#cfe0f5", "Linear": "#f7d9c4", "Norm": "#e3e3e3", "Pool": "#d5ebd0", "input": "#fdf3bf"}
OTHERS, FUNCTIONS = "#ffffff", "#efe3f5"
LONGEST_SIDE = 60_000  # pixels; Matplotlib draws up to 2¹⁶


def network_picture(path, graph):
    """Draws a graph from top to bottom: a box for each layer, smaller ones for functions between layers.

    Args:
        path: the PNG file to write.
        graph: a `NetworkGraph`.

    Returns:
        The path.

    Raises:
        MissingExtraError: Matplotlib isn't installed.
    """
    places = layout(len(graph.boxes), graph.arrows)
    left = min(x for x, _ in _points(places)) * WIDTH - WIDTH / 2
    right = max(x for x, _ in _points(places)) * WIDTH + WIDTH / 2
    bottom = (max(places.down) + 0.5) * HEIGHT
    figure = new_figure(right - left, bottom + HEIGHT / 2)
    figure.set_layout_engine("none")  # one pair of axes from edge to edge
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, -HEIGHT / 2)
    for (_, end), points in zip(graph.arrows, places.paths, strict=True):
        _draw_arrow(axes, points, _size(graph.boxes[end]))
    for box, across, down in zip(graph.boxes, places.across, places.down, strict=True):
        _draw_box(axes, box, across * WIDTH, down * HEIGHT)
    return save_figure(figure, path, dots_per_inch=min(100, LONGEST_SIDE / max(figure.get_size_inches())))


def _points(places):
    yield from zip(places.across, places.down, strict=True)
    for points in places.paths:
        yield from points


def _size(box):
    return FUNCTION_BOX if box.shape is None else BOX


def _draw_box(axes, box, x, y):
    from matplotlib.patches import FancyBboxPatch

    width, height = _size(box)
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(
        FancyBboxPatch(corner, width, height, style, facecolor=_colour(box), edgecolor="#555555", zorder=2)
    )
    axes.text(x, y, box.label, ha="center", va="center", fontsize=7, linespacing=1.05, zorder=3)


def _colour(box):
    if box.shape is None:
        return FUNCTIONS
    return next((colour for part, colour in COLOURS.items() if part in box.kind), OTHERS)


def _draw_arrow(axes, points, target):
    """A line through the points, which ends in an arrowhead at the upper edge of the target box."""
    xs = [x * WIDTH for x, _ in points]
    ys = [y * HEIGHT for _, y in points]
    ys[-1] -= target[1] / 2
    axes.plot(xs[:-1], ys[:-1], color="#555555", linewidth=0.9, zorder=1)
    axes.annotate(
        "",
        (xs[-1], ys[-1]),
        (xs[-2], ys[-2]),
        arrowprops={"arrowstyle": "-|>", "color": "#555555", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
        zorder=1,
    )
