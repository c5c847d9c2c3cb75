"""A comparison with PyTorch that the tests of several architectures share."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import functional as F


def in_layout_of_pytorch(array):
    """(*kernel, in, out) → (out, in, *kernel); vectors stay as they are."""
    return array if array.ndim < 2 else np.moveaxis(array, (-1, -2), (0, 1))


@pytest.fixture
def follow_pytorch():
    """Compares a model with its twin in PyTorch, in float64, where rounding cannot hide an error.

    Called with the model, a function that makes the twin (its parts under the same names) given the
    module ``torch``, and images (N, H, W, C). Both train one step's forward and backward: the losses and
    all gradients must agree; then the logits in inference, which use the running statistics just moved, and
    at last those of the model in float32. (Gradients in float32 need not be alike: where rounding makes a
    single ReLU of a deep network change its mind, those of PyTorch, too, are far from those in float64.)
    """
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    threads = torch.get_num_threads()
    # Waiting threads of PyTorch would keep the cores from ours.
    torch.set_num_threads(1)
    tn.manual_seed(0)

    def compare(model, make_twin, images):
        model.to("float64")
        twin = make_twin(torch).double()
        copy_state(torch, model, twin)
        labels = np.arange(len(images)) % 3
        x_twin = torch.tensor(np.moveaxis(images, -1, 1).copy())

        loss = F.cross_entropy(model(tn.tensor(images)), labels)
        loss.backward()
        loss_twin = torch.nn.functional.cross_entropy(twin(x_twin), torch.tensor(labels))
        loss_twin.backward()
        assert loss.item() == pytest.approx(loss_twin.item(), rel=1e-10)
        twins = dict(twin.named_parameters())
        for name, parameter in model.named_parameters():
            expected = twins[name].grad.numpy()
            gradient = in_layout_of_pytorch(parameter.grad.numpy())
            # The gradient of a bias in front of batch norm is zero but for rounding.
            scale = max(abs(expected).max(), 1e-4)
            np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-9 * scale, err_msg=name)

        with tn.no_grad(), torch.no_grad():
            logits, expected = model.eval()(tn.tensor(images)).numpy(), twin.eval()(x_twin).numpy()
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-10 * abs(expected).max())

        model.to("float32")
        with tn.no_grad():
            logits = model(tn.tensor(images.astype(np.float32))).numpy()
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * abs(expected).max())

    yield compare
    torch.set_num_threads(threads)


def copy_state(torch, model, twin):
    """Gives the twin the weights and statistics of the model; all names must be found there."""
    state = {
        name: torch.tensor(in_layout_of_pytorch(tensor.numpy()).copy())
        for name, tensor in model.state_dict().items()
    }
    missing, surplus = twin.load_state_dict(state, strict=False)
    assert not surplus
    assert all(name.endswith("num_batches_tracked") for name in missing)
