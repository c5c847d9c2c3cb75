"""Asking a model how its convolutions are computed."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.errors import ArgumentError
from tinynet_kernels import pinned


def network():
    return nn.Sequential(
        {
            "first": nn.Conv2d(1, 8, 5),
            "second": nn.Conv2d(8, 64, 3, padding=1),
            "third": nn.Conv2d(64, 64, 3, padding=1),
            "pool": nn.MaxPool2d(2),
            "up": nn.ConvTranspose2d(64, 20, 2, stride=2),
            "last": nn.Conv2d(20, 4, 1),
        }
    )


def test_every_convolution_is_listed_with_its_three_plans():
    plan = tn.explain_plan(network(), (20, 20, 1), batch_size=32)
    assert [layer.name for layer in plan] == ["first", "second", "third", "up", "last"]
    names = {layer.name: [chosen.name for chosen in layer.plans.values()] for layer in plan}
    assert names["first"] == ["windowed"] * 3
    assert names["third"] == ["winograd F(4, 3)"] * 3
    assert names["last"] == ["product"] * 3
    assert plan.layers[2].input_shape == (32, 16, 16, 64)


def test_a_transposed_convolution_goes_forward_by_an_input_gradient():
    layer = next(layer for layer in tn.explain_plan(network(), (20, 20, 1)) if layer.name == "up")
    assert list(layer.plans) == ["forward", "input_gradient", "weight_gradient"]
    assert {chosen.multiply_adds for chosen in layer.plans.values()} == {8 * 8 * 64 * 4 * 20}
    assert layer.plans["forward"].name == "folded"


def test_strict_plans_inside_pinned_strict():
    with pinned("strict"):
        plan = tn.explain_plan(network(), (20, 20, 1), batch_size=32)
    assert plan.layers[2].plans["forward"].name == "winograd F(2, 3)"


def test_it_prints_a_line_for_every_operation():
    lines = str(tn.explain_plan(network(), (20, 20, 1))).splitlines()
    assert lines[0] == "Sequential"
    assert lines[1] == "  first: Conv2d(1, 8, kernel_size=(5, 5)) on (1, 20, 20, 1)"
    assert lines[2].startswith("      forward          windowed: a line of the window sees only 5 elements")
    assert len(lines) == 1 + 5 * 4


def test_a_model_without_convolutions():
    assert str(tn.explain_plan(nn.Linear(3, 2), (3,))) == "Linear\n  there is no convolution"


def test_fused_and_residual_models_list_all_their_layers():
    plan = tn.explain_plan(models.ResNet18(10, stem="cifar"), (32, 32, 3))
    assert len(plan) == 20


def test_the_model_is_left_as_it_was():
    model = network()
    before = {name: array.numpy().copy() for name, array in model.state_dict().items()}
    model.train()
    tn.explain_plan(model, (20, 20, 1))
    assert model.training
    assert all(not module._forward_hooks for module in model.modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array.numpy(), before[name])


def test_no_shape():
    with pytest.raises(ArgumentError, match="explain_plan: input_shape must be the sizes of one sample"):
        tn.explain_plan(network(), "20")
