import copy

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import models, nn, optim
from tinynet.errors import ArgumentError
from tinynet.training import Trainer
from tinynet.training.transfer import freeze, unfreeze


def network():
    tn.manual_seed(3)
    return nn.Sequential(
        {
            "conv1": nn.Conv2d(1, 4, 3, bias=False),
            "norm1": nn.BatchNorm2d(4),
            "relu1": nn.ReLU(),
            "dropout": nn.Dropout(0.5),
            "conv2": nn.Conv2d(4, 6, 3),
            "norm2": nn.BatchNorm2d(6),
            "relu2": nn.ReLU(),
            "pool": nn.GlobalAvgPool2d(),
            "dense": nn.Linear(6, 3),
        }
    )


def data(rng, count=24):
    return rng.standard_normal((count, 8, 8, 1)).astype(np.float32), np.arange(count) % 3


def trained(model, x, y):
    trainer = Trainer(
        model, optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1), F.cross_entropy
    )
    trainer.fit(x, y, epochs=2, batch_size=8, verbose=0)
    return model


def state_of(model):
    return {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}


def recorded_operations(loss):
    """The nodes of the graph behind a tensor."""
    found, waiting = set(), [loss.node]
    while waiting:
        node = waiting.pop()
        if node is not None and node.is_node and id(node) not in found:
            found.add(id(node))
            waiting += node.edges
    return len(found)


FROZEN = ("conv1", "norm1", "relu1", "dropout", "conv2")


@pytest.mark.parametrize(
    ("until", "frozen"), [("conv2", FROZEN), ("conv1", FROZEN[:1]), (None, None), ("dropout", FROZEN[:4])]
)
def test_frozen_parameters_and_statistics_do_not_move_and_all_others_do(rng, until, frozen):
    model = freeze(network(), until)
    before = state_of(model)
    x, y = data(rng)
    if until is None:
        model.train()
        model(x)
    else:
        trained(model, x, y)
    for name, after in state_of(model).items():
        moved = not np.array_equal(before[name], after)
        assert moved == (frozen is not None and name.partition(".")[0] not in frozen), name


def test_frozen_parameters_have_no_gradient_and_frozen_layers_record_nothing(rng):
    x, y = data(rng)
    counts = {}
    for until in ("", "conv1", "conv2", "norm2", "all"):
        model = network()
        if until not in ("", "all"):
            freeze(model, until)
        elif until == "all":
            freeze(model, "pool")
        loss = F.cross_entropy(model.train()(x), y)
        counts[until] = recorded_operations(loss)
        loss.backward()
        frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
        assert all(parameter.grad is None for parameter in frozen)
        assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    assert counts[""] > counts["conv1"] > counts["conv2"] > counts["norm2"]
    assert counts["all"] == 2  # the dense layer and the loss
    freeze(model)
    assert not model(x).requires_grad


def test_frozen_layers_give_in_training_what_they_give_in_inference(rng):
    x, _ = data(rng)
    model = freeze(network(), "pool").train()
    outputs = []
    model.pool.register_forward_hook(lambda module, inputs, output: outputs.append(output.numpy()))
    model(x)
    model.train()
    model(x)
    model.eval()
    model(x)
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_unfreezing_makes_everything_move_again(rng):
    model = unfreeze(freeze(network(), "conv2"))
    before = state_of(model)
    trained(model, *data(rng))
    assert all(not np.array_equal(before[name], after) for name, after in state_of(model).items())


def test_a_second_freeze_takes_the_place_of_the_first(rng):
    model = freeze(freeze(network(), "pool"), "conv1")
    assert [name for name, parameter in model.named_parameters() if not parameter.requires_grad] == [
        "conv1.weight"
    ]
    model.train()
    model(data(rng)[0])
    assert model.norm1.training and not model.conv1.training


def test_a_copy_freezes_its_own_layers(rng):
    model = freeze(network(), "norm2")
    twin = copy.deepcopy(model)
    unfreeze(model)
    model.train()
    twin.train()
    twin(data(rng)[0])
    assert not twin.norm1.training
    assert model.norm1.training


def test_parts_of_nested_models_are_frozen_up_to_and_including_the_named_one():
    model = freeze(models.create("resnet20"), "stages.1.0")
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    assert any(name.startswith("stages.1.0.body.4") for name in frozen)
    assert all(name.startswith(("stem.", "stages.0.", "stages.1.0.")) for name in frozen)
    moving = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert moving[0].startswith("stages.1.1.") and moving[-1] == "dense.bias"
    assert len(frozen) + len(moving) == len(list(model.parameters()))


def test_an_unknown_layer_is_refused_and_nothing_changes():
    model = freeze(network(), "conv1")
    with pytest.raises(ArgumentError, match="no layer of Sequential 'conv3'; did you mean 'conv"):
        freeze(model, "conv3")
    assert not model.conv1.weight.requires_grad
