"""Weights of other libraries: names, and the order of axes by the kind of layer."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.nn.foreign_weights import convert_layout, translate

# Every shape is square somewhere, so that a guess by shape would go wrong.
LAYERS = {
    "Conv1d": lambda library: (library.Conv1d(3, 3, 3), (3, 8)),
    "Conv2d": lambda library: (library.Conv2d(3, 3, 3), (3, 6, 6)),
    "Conv3d": lambda library: (library.Conv3d(2, 2, 2), (2, 4, 4, 4)),
    "grouped": lambda library: (library.Conv2d(6, 4, 2, groups=2), (6, 4, 4)),
    "depthwise": lambda library: (library.Conv2d(3, 6, 3, groups=3), (3, 5, 5)),
    "ConvTranspose1d": lambda library: (library.ConvTranspose1d(3, 3, 3), (3, 5)),
    "ConvTranspose2d": lambda library: (library.ConvTranspose2d(3, 3, 3), (3, 4, 4)),
    "grouped ConvTranspose2d": lambda library: (library.ConvTranspose2d(4, 6, 2, groups=2), (4, 4, 4)),
    "ConvTranspose3d": lambda library: (library.ConvTranspose3d(2, 2, 2), (2, 3, 3, 3)),
    "Linear": lambda library: (library.Linear(4, 4), (4,)),
    "BatchNorm2d": lambda library: (library.BatchNorm2d(3), (3, 2, 2)),
    "GroupNorm": lambda library: (library.GroupNorm(2, 4), (4, 3, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_pytorch(name, rng):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    (ours, shape), (theirs, _) = LAYERS[name](nn), LAYERS[name](torch.nn)
    for tensor in theirs.state_dict().values():
        if tensor.dtype.is_floating_point:
            tensor.uniform_(0.5, 1.5)
    arrays = {key: tensor.numpy() for key, tensor in theirs.state_dict().items()}
    assert ours.load_state_dict(translate(ours, arrays, "pytorch")) == ([], [])
    x = rng.normal(size=(2, *shape)).astype(np.float32)
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor(x)).numpy()
    if len(shape) > 1:
        x, expected = np.moveaxis(x, 1, -1), np.moveaxis(expected, 1, -1)
    np.testing.assert_allclose(ours.eval()(tn.tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-5)


# Square again, with as many inputs as hidden units and one gate.
RECURRENT = {
    "RNN": (5, 5),
    "LSTM": (3, 5, 2),
    "GRU": (5, 5, 2),
    "RNNCell": (5, 5),
    "LSTMCell": (3, 5),
    "GRUCell": (3, 5),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_of_pytorch(name, rng):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    torch.manual_seed(0)
    is_cell = name.endswith("Cell")
    options = {} if is_cell else {"bidirectional": True}
    sizes = RECURRENT[name]
    ours = nn.Sequential({"reader": getattr(nn, name)(*sizes, **options)})
    theirs = getattr(torch.nn, name)(*sizes, **options, **({} if is_cell else {"batch_first": True}))
    arrays = {f"rnn.{key}": tensor.numpy() for key, tensor in theirs.state_dict().items()}
    assert ours.load_state_dict(translate(ours, arrays, "pytorch", {"rnn": "reader"})) == ([], [])
    x = rng.normal(size=(2, sizes[0]) if is_cell else (2, 4, sizes[0])).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(x))
    found = ours.reader(tn.tensor(x))
    if isinstance(expected, tuple):
        found, expected = found[0], expected[0]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    # The same arrays under our own flag are taken as they are: matrices that aren't square must be refused.
    if "LSTM" in name:
        with pytest.raises(CheckpointError, match=r"weight_ih"):
            ours.load_state_dict(translate(ours, arrays, "tinynet", {"rnn": "reader"}))


def test_square_matrices_follow_the_declared_library_not_their_shape(rng):
    square = rng.normal(size=(4, 4)).astype(np.float32)
    layer = nn.Linear(4, 4, bias=False)
    for library, expected in (("tinynet", square), ("keras", square), ("pytorch", square.T)):
        layer.load_state_dict(translate(layer, {"weight": square}, library))
        np.testing.assert_array_equal(layer.weight.numpy(), expected)
    kernel = rng.normal(size=(3, 3, 3, 3)).astype(np.float32)
    conv = nn.Conv2d(3, 3, 3)
    np.testing.assert_array_equal(convert_layout(conv, kernel, "keras"), kernel)
    np.testing.assert_array_equal(convert_layout(conv, kernel, "pytorch"), kernel.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_kernels_of_keras(rng, multiplier):
    kernel = rng.normal(size=(3, 3, 4, multiplier)).astype(np.float32)
    layer = nn.Conv2d(4, 4 * multiplier, 3, groups=4, bias=False)
    layer.load_state_dict(translate(layer, {"depthwise_kernel": kernel}, "keras"))
    x = rng.normal(size=(1, 3, 3, 4)).astype(np.float32)
    expected = np.einsum("ijc,ijcm->cm", x[0], kernel).reshape(-1)  # channel c · multiplier + m
    np.testing.assert_allclose(layer(tn.tensor(x)).numpy().reshape(-1), expected, rtol=1e-5, atol=1e-5)


def test_a_convolution_of_one_pixel_is_a_dense_layer(rng):
    matrix = rng.normal(size=(5, 3)).astype(np.float32)
    layer = nn.Linear(5, 3, bias=False)
    for library, stored in (("keras", matrix[None, None]), ("pytorch", matrix.T[:, :, None, None])):
        layer.load_state_dict(translate(layer, {"weight": stored}, library))
        np.testing.assert_array_equal(layer.weight.numpy(), matrix)


def test_dense_layers_behind_a_flattening(rng):
    height, width, channels = 2, 3, 4
    image = rng.normal(size=(height, width, channels)).astype(np.float32)
    theirs = rng.normal(size=(5, channels * height * width)).astype(np.float32)
    layer = nn.Linear(theirs.shape[1], 5, bias=False)
    layer.load_state_dict(translate(layer, {"weight": theirs}, "pytorch", flattened={"": channels}))
    expected = theirs @ image.transpose(2, 0, 1).reshape(-1)
    np.testing.assert_allclose(layer(tn.tensor(image.reshape(-1))).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_names_of_keras():
    model = nn.Sequential({"conv1": nn.Conv2d(2, 2, 1), "bn": nn.BatchNorm2d(2)})
    vector, kernel = np.ones(2, np.float32), np.ones((1, 1, 2, 2), np.float32)
    arrays = {
        "conv1/kernel": kernel,
        "conv1/bias": vector,
        "bn/gamma": vector,
        "bn/beta": vector,
        "bn/moving_mean": vector,
        "bn/moving_variance": vector,
    }
    assert model.load_state_dict(translate(model, arrays, "keras")) == ([], [])
    old = {"conv1/conv1_W_1": kernel, "conv1/conv1_b": vector}
    assert list(translate(model, old, "keras")) == ["conv1.weight", "conv1.bias"]


def test_other_names_stay_and_are_reported():
    model = nn.Sequential(nn.Linear(2, 3))
    arrays = {"fc.weight": np.ones((3, 2)), "other.bias": np.ones(3), "fc.num_batches_tracked": np.array(1)}
    translated = translate(model, arrays, "pytorch", {"fc": "0"})
    assert {name: array.shape for name, array in translated.items()} == {
        "0.weight": (2, 3),
        "other.bias": (3,),
    }
    with pytest.raises(CheckpointError) as raised:
        model.load_state_dict(translated)
    assert "missing: 0.bias (3,)" in str(raised.value)
    assert "not expected: other.bias (3,)" in str(raised.value)


def test_libraries_are_known():
    with pytest.raises(ArgumentError, match="library should be one of tinynet, pytorch, keras, not 'caffe'"):
        translate(nn.Linear(2, 2), {}, "caffe")


def test_module_load_reads_any_format(tmp_path, rng):
    torch = pytest.importorskip("torch", reason="files as PyTorch writes them need torch")
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.Flatten(), torch.nn.Linear(3, 3))
    ours = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten(), nn.Linear(3, 3))
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    assert ours.load(tmp_path / "weights.pt") == ([], [])
    x = rng.normal(size=(2, 3, 3, 3)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.tensor(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(ours(tn.tensor(x)).numpy(), expected, rtol=1e-5, atol=1e-5)

    other = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Flatten(), nn.Linear(3, 3))
    np.savez(tmp_path / "ours.npz", **{name: value.numpy() for name, value in ours.state_dict().items()})
    other.load(tmp_path / "ours.npz")
    np.testing.assert_array_equal(other(tn.tensor(x)).numpy(), ours(tn.tensor(x)).numpy())
    np.savez(tmp_path / "theirs.npz", **{name: value.numpy() for name, value in theirs.state_dict().items()})
    other.load(tmp_path / "theirs.npz", library="pytorch")
    np.testing.assert_array_equal(other(tn.tensor(x)).numpy(), ours(tn.tensor(x)).numpy())
