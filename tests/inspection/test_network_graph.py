import shutil
import subprocess

import numpy as np
import pytest

from tinynet import functional as F
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet.inspection import network_graph, network_picture
from tinynet.inspection.network_layout import layout


def named(graph):
    """The arrows as pairs of layer names, or kinds where there is no name."""
    return [tuple(graph.boxes[end].name or graph.boxes[end].kind for end in arrow) for arrow in graph.arrows]


def test_layers_and_the_functions_between_them_are_boxes():
    graph = network_graph(models.create("lenet5"), (32, 32, 1))
    layers = ["conv1", "relu", "pool1", "conv2", "relu", "pool2", "flatten"]
    expected = ["input", *layers, "dense1", "relu", "dense2", "relu", "dense3"]
    assert [box.name or box.kind for box in graph.boxes] == expected
    assert graph.arrows == tuple(zip(range(12), range(1, 13), strict=True))
    assert graph.boxes[1].label == "conv1\nConv2d\n28 × 28 × 6"
    assert graph.boxes[2].label == "relu"
    assert graph.boxes[0].label == "input\n32 × 32 × 1"


class Block(nn.Module):
    def __init__(self):
        self.body = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2))
        self.shortcut = nn.Identity()

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def test_branches_come_together_again():
    graph = network_graph(Block(), (4, 4, 2))
    assert sorted(named(graph)) == [
        ("add", "relu"),
        ("body.0", "body.1"),
        ("body.1", "add"),
        ("input", "body.0"),
        ("input", "shortcut"),
        ("shortcut", "add"),
    ]


def test_depth_folds_what_lies_below():
    model = nn.Sequential({"first": Block(), "second": Block(), "pool": nn.GlobalAvgPool2d()})
    graph = network_graph(model, (4, 4, 2), depth=1)
    assert named(graph) == [("input", "first"), ("first", "second"), ("second", "pool")]
    assert [box.kind for box in graph.boxes] == ["input", "Block", "Block", "GlobalAvgPool2d"]
    deeper = network_graph(model, (4, 4, 2), depth=2)
    assert ("first.body", "add") in named(deeper)
    with pytest.raises(ArgumentError, match="depth should be at least 1, not 0"):
        network_graph(model, (4, 4, 2), depth=0)


class Listed(nn.Module):
    def __init__(self):
        self.parts = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])

    def forward(self, x):
        return self.parts[1](self.parts[0](x)) * 2.0


def test_lists_of_modules_are_no_level_of_their_own():
    graph = network_graph(Listed(), (3,), depth=1)
    assert named(graph) == [("input", "parts.0"), ("parts.0", "parts.1"), ("parts.1", "multiply")]


class Twice(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(3, 3)

    def forward(self, x, y):
        return self.layer(self.layer(x)) - y


def test_layers_called_twice_and_several_inputs():
    graph = network_graph(Twice(), [(3,), (3,)])
    assert [box.name or box.kind for box in graph.boxes] == ["input", "input", "layer", "layer", "subtract"]
    assert set(graph.arrows) == {(0, 2), (2, 3), (1, 4), (3, 4)}


def test_a_model_without_a_way_from_input_to_output_is_refused():
    with pytest.raises(ArgumentError, match="the output of Lambda does not depend on its input"):
        network_graph(nn.Lambda(lambda x: F.zeros((2, 2))), (3,))


def test_dot_text_lists_all_boxes_and_arrows():
    graph = network_graph(Block(), (4, 4, 2))
    text = graph.dot()
    assert text.startswith("digraph network {") and text.endswith("}\n")
    assert text.count("->") == len(graph.arrows)
    assert text.count("label=") == len(graph.boxes)
    assert r'[label="body.0\nConv2d\n4 × 4 × 2"];' in text
    if shutil.which("dot"):
        drawn = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
        assert drawn.stdout.count("<g ") > len(graph.boxes)


def test_layout_leads_every_arrow_down_and_keeps_boxes_apart(rng):
    count = 30
    arrows = [(start, end) for end in range(1, count) for start in {int(rng.integers(0, end)), end // 2}]
    places = layout(count, tuple(arrows))
    for (start, end), path in zip(arrows, places.paths, strict=True):
        assert path[0] == (places.across[start], places.down[start])
        assert path[-1] == (places.across[end], places.down[end])
        assert [down for _, down in path] == list(range(places.down[start], places.down[end] + 1))
    for rank in set(places.down):
        row = sorted(across for across, down in zip(places.across, places.down, strict=True) if down == rank)
        assert np.diff(row, prepend=-np.inf).min() >= 1 - 1e-9
    passages = [point for path in places.paths for point in path[1:-1]]
    boxes = list(zip(places.across, places.down, strict=True))
    for across, down in passages:
        assert all(abs(across - box) >= 0.62 for box, rank in boxes if rank == down)


def test_picture_grows_with_the_network(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    sizes, colours = [], []
    for name, model in (("one", nn.Sequential(Block())), ("two", nn.Sequential(Block(), Block()))):
        path = network_picture(tmp_path / f"{name}.png", network_graph(model, (4, 4, 2)))
        with image.open(path) as picture:
            sizes.append(picture.size)
            colours.append(len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)))
    assert sizes[1][0] == sizes[0][0] and sizes[1][1] > 1.7 * sizes[0][1]
    assert min(colours) > 20


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    network_graph(model, (8, 8, 1))
    assert model[1].training
    np.testing.assert_array_equal(model[1].running_mean.numpy(), np.zeros(2))
    assert not any(module._forward_hooks for module in model.modules())
