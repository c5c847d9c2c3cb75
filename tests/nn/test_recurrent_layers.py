"""RNN, LSTM and GRU beside PyTorch, on packed sequences too, and what they promise besides."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F
from tinynet import nn

KINDS = pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
LENGTHS = np.array([4, 7, 1, 5])


def shaken(layer, rng, dtype="float64"):
    """The layer with weights that are all different from what they start with."""
    layer.to(dtype)
    for parameter in layer.parameters():
        parameter.data[...] = rng.normal(0, 0.5, parameter.shape)
    return layer


def parts_of(output):
    """The output and all states, as a list."""
    y, state = output
    return [y, *(state if isinstance(state, tuple) else (state,))]


def twin_of(layer, torch, kind, *sizes, **options):
    """PyTorch's layer with the weights of ours, whose transposes it has."""
    if kind == "RNN":
        options["nonlinearity"] = layer.nonlinearity
    twin = getattr(torch.nn, kind)(*sizes, batch_first=True, **options)
    twin.to(getattr(torch, layer.weight_ih_l0.dtype.name))
    own = dict(layer.named_parameters())
    assert own.keys() == dict(twin.named_parameters()).keys()
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.copy_(torch.tensor(np.ascontiguousarray(own[name].numpy().T)))
    return twin


def assert_close(found, expected, tolerance, what):
    expected = expected.detach().numpy()
    scale = max(1.0, float(abs(expected).max(initial=0)))
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True},
        {"num_layers": 3, "bidirectional": True},
        {"num_layers": 2, "bias": False},
        {"nonlinearity": "relu", "bidirectional": True},
    ],
    ids=["plain", "bidirectional", "stacked", "no-bias", "relu"],
)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "packed"])
@KINDS
def test_pytorch_gives_the_same(kind, lengths, options, dtype, rng):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    if "nonlinearity" in options and kind != "RNN":
        pytest.skip("only the plain layer has a choice of activations")
    layer = shaken(getattr(nn, kind)(3, 5, **options), rng, dtype)
    others = {name: value for name, value in options.items() if name != "nonlinearity"}
    twin = twin_of(layer, torch, kind, 3, 5, **others)
    states = layer.num_layers * layer.directions, 4, 5
    arrays = [rng.normal(0, 1, shape).astype(dtype) for shape in ((4, 7, 3), states, states)]
    arrays = arrays[: 3 if kind == "LSTM" else 2]
    mine = [tn.Tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]

    found = parts_of(layer(mine[0], tuple(mine[1:]) if kind == "LSTM" else mine[1], lengths))
    state = tuple(theirs[1:]) if kind == "LSTM" else theirs[1]
    if lengths is None:
        expected = parts_of(twin(theirs[0], state))
    else:
        pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
        packed = pack(theirs[0], torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        expected = parts_of(twin(packed, state))
        expected[0] = pad(expected[0], batch_first=True)[0]
    gradients = [rng.normal(0, 1, part.shape).astype(dtype) for part in found]
    sum((part * tn.Tensor(g)).sum() for part, g in zip(found, gradients, strict=True)).backward()
    sum((part * torch.tensor(g)).sum() for part, g in zip(expected, gradients, strict=True)).backward()

    tolerance = TOLERANCE[dtype]
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other, tolerance, "output or state")
    for one, other in zip(mine, theirs, strict=True):
        assert_close(one.grad, other.grad, tolerance, "gradient of an input")
    for name, parameter in twin.named_parameters():
        assert_close(getattr(layer, name).grad, parameter.grad.T if parameter.ndim == 2 else parameter.grad,
                     tolerance, name)  # fmt: skip


@KINDS
def test_a_cell_in_a_loop_is_the_layer(kind, rng):
    layer = shaken(getattr(nn, kind)(3, 5), rng)
    cell = getattr(nn, f"{kind}Cell")(3, 5).to("float64")
    cell.load_state_dict({name.removesuffix("_l0"): p for name, p in layer.state_dict().items()})
    x = rng.normal(0, 1, (2, 4, 3))
    state = None
    for time in range(4):
        state = cell(x[:, time], state)
        output = state[0] if kind == "LSTM" else state
        np.testing.assert_allclose(layer(x)[0].numpy()[:, time], output.numpy(), rtol=0, atol=1e-12)


@KINDS
def test_the_state_at_the_end_goes_on(kind, rng):
    """A sequence in two pieces, with the state handed on, is the sequence in one."""
    layer = shaken(getattr(nn, kind)(3, 5, num_layers=2), rng)
    x = rng.normal(0, 1, (2, 7, 3))
    whole, _ = layer(x)
    first, state = layer(x[:, :4])
    second, _ = layer(x[:, 4:], state)
    np.testing.assert_allclose(F.concatenate([first, second], 1).numpy(), whole.numpy(), rtol=0, atol=1e-12)


@KINDS
def test_padding_has_no_influence_and_no_gradient(kind, rng):
    layer = shaken(getattr(nn, kind)(3, 5, num_layers=2, bidirectional=True), rng)
    array = rng.normal(0, 1, (4, 7, 3))
    x = tn.Tensor(array, requires_grad=True)
    y, _ = layer(x, lengths=LENGTHS)
    (y * y).sum().backward()
    padding = np.arange(7) >= LENGTHS[:, None]
    assert not y.numpy()[padding].any()
    assert not x.grad.numpy()[padding].any()
    assert x.grad.numpy()[~padding].all()
    array[padding] = 99.0
    np.testing.assert_array_equal(layer(array, lengths=LENGTHS)[0].numpy(), y.numpy())


@KINDS
def test_dropout_between_layers_in_training_only(kind, rng):
    x = rng.normal(0, 1, (2, 4, 3))
    layer = shaken(getattr(nn, kind)(3, 8, num_layers=2, dropout=0.5, generator=tn.Generator(0)), rng)
    one, other = layer(x)[0].numpy(), layer(x)[0].numpy()
    assert (one != other).any()
    layer.eval()
    plain = shaken(getattr(nn, kind)(3, 8, num_layers=2), rng)
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(layer(x)[0].numpy(), plain(x)[0].numpy())


def test_forget_bias():
    layer = nn.LSTM(2, 3, num_layers=2, forget_bias=2.5)
    for bias in (layer.bias_ih_l0, layer.bias_ih_l1):
        assert bias.numpy().tolist() == [0] * 3 + [2.5] * 3 + [0] * 6
    assert not layer.bias_hh_l0.numpy().any()
    assert nn.LSTMCell(2, 3).bias_ih.numpy().tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert nn.LSTM(2, 3, bias=False).num_parameters() == 2 * 12 + 3 * 12


@KINDS
@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (0, 0, 3)])
def test_without_sequences_or_steps(kind, shape, rng):
    layer = shaken(getattr(nn, kind)(3, 5, bidirectional=True), rng)
    x = tn.Tensor(np.zeros(shape), requires_grad=True)
    y, *states = parts_of(layer(x))
    assert y.shape == (*shape[:2], 10)
    assert {state.shape for state in states} == {(2, shape[0], 5)}
    (y.sum() + sum(state.sum() for state in states)).backward()
    assert x.grad.shape == shape
    assert not layer.weight_hh_l0.grad.numpy().any()


@KINDS
def test_second_derivatives(kind, rng):
    layer = shaken(getattr(nn, kind)(2, 2, bidirectional=True), rng)
    x = rng.normal(0, 1, (2, 3, 2))
    assert tn.gradgradcheck(lambda x: parts_of(layer(x, lengths=np.array([3, 1]))), [x])


def test_changing_the_output_in_place_is_noticed(rng):
    layer = shaken(nn.LSTM(2, 3), rng)
    y, _ = layer(tn.Tensor(rng.normal(0, 1, (2, 3, 2)), requires_grad=True))
    total = y.sum()
    with tn.no_grad():
        y[0] = 0.0
    with pytest.raises(tn.errors.GraphError, match=r"lstm: the output .* was changed in place"):
        total.backward()


def test_a_layer_learns_to_remember(rng):
    """The first number of a sequence, after nine others: only a gradient through all steps teaches that."""
    tn.manual_seed(0)
    layer, head = nn.LSTM(1, 8), nn.Linear(8, 1)
    optimizer = tn.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(150):
        x = rng.uniform(-1, 1, (32, 10, 1)).astype(np.float32)
        loss = F.mse_loss(head(layer(x)[0][:, -1]), x[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.1 * np.mean(losses[:10])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.LSTM(0, 3), "LSTM: input_size must be an integer of at least 1, not 0"),
        (lambda: nn.GRU(2, 3, dropout=2), r"GRU: dropout must lie in \[0, 1\], not 2"),
        (lambda: nn.RNN(2, 3, nonlinearity="gelu"), "RNN: nonlinearity must be 'tanh' or 'relu', not 'gelu'"),
        (lambda: nn.GRU(2, 3)(np.ones((2, 3))), r"GRU: x must have the shape \(N, T, 2\), not \(2, 3\)"),
        (
            lambda: nn.GRU(2, 3)(np.ones((1, 4, 2)), np.ones((1, 3))),
            r"a state must have the shape \(1, 1, 3\)",
        ),
        (lambda: nn.LSTM(2, 3)(np.ones((1, 4, 2), np.float32), lengths=[5]), "lengths must lie from 0 to 4"),
        (lambda: nn.LSTM(2, 3)(np.ones((1, 4, 2), np.float32), lengths=[2.0]), "lengths must be integers"),
        (lambda: nn.LSTM(2, 3)(np.ones((1, 4, 2), np.float32), lengths=[2, 2]), r"shape \(1,\), not \(2,\)"),
        (lambda: nn.LSTM(2, 3)(np.ones((1, 4, 2))), "lstm: weight_ih is float32; x"),
    ],
)
def test_errors_name_the_argument(make, text):
    with pytest.raises(tn.errors.TinynetError, match=text):
        make()


def test_repr_and_summary():
    layer = nn.LSTM(3, 5, num_layers=2, dropout=0.1, bidirectional=True)
    assert repr(layer) == "LSTM(3, 5, num_layers=2, dropout=0.1, bidirectional=True)"
    assert repr(nn.GRUCell(3, 5, bias=False)) == "GRUCell(3, 5, bias=False)"
    weights = 2 * (3 * 20 + 5 * 20) + 2 * (10 * 20 + 5 * 20)
    assert layer.multiply_adds((1, 7, 3), (1, 7, 10)) == 7 * weights
