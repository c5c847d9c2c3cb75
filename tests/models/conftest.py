"""A comparison with PyTorch that the tests of several architectures share."""

import numpy as np
import pytest
from kinks import is_far_from_kinks

import tinynet as tn
from tinynet import functional as F
from tinynet import nn
from tinynet_kernels import pinned

# In units of what surrounds it: several times what rounding in float32 moves a number by.
FAR_FROM_KINKS = 2e-6
DRAWS = 100


def in_layout_of_pytorch(array):
    """(*kernel, in, out) → (out, in, *kernel); vectors stay as they are."""
    return array if array.ndim < 2 else np.moveaxis(array, (-1, -2), (0, 1))


@pytest.fixture
def follow_pytorch():
    """Compares a model with its twin in PyTorch.

    Called with the model, a function that makes the twin (its parts under the same names) given the
    module ``torch``, and images (N, H, W, C). First in float64, where rounding cannot hide an error: both
    compute one step of training, and all gradients must agree; then the logits in inference, which use the
    running statistics just moved. At last in float32: the logits in inference, and all gradients.

    Those gradients are taken of a single image with batch norms that use their running statistics, and the
    image is one for which no ReLU and no pooling is about to change its mind. Otherwise rounding decides:
    the statistics of a few small images divide small differences by one another, and a single ReLU out of a
    million that is turned the other way takes a path away from the gradients below it. With statistics of
    two images the largest errors against float64 were 22 % for GoogLeNet, with PyTorch as with us, and for
    VGG-16 2.6 % with PyTorch and 3.6 % with us; with running statistics they are of the order of 1e-5.
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

        loss = F.cross_entropy(model(tn.tensor(images)), labels)
        loss.backward()
        loss_twin = torch.nn.functional.cross_entropy(twin(in_pytorch(torch, images)), torch.tensor(labels))
        loss_twin.backward()
        assert loss.item() == pytest.approx(loss_twin.item(), rel=1e-10)
        # The gradient of a bias in front of batch norm is zero but for rounding.
        compare_gradients(model, twin, tolerance=1e-9, least=1e-4)

        with tn.no_grad(), torch.no_grad():
            expected = twin.eval()(in_pytorch(torch, images)).numpy()
            logits = model.eval()(tn.tensor(images)).numpy()
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-10 * abs(expected).max())

        model.to("float32")
        with tn.no_grad():
            logits = model(tn.tensor(images.astype(np.float32))).numpy()
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * abs(expected).max())
        compare_in_float32(torch, model, twin, images)

    yield compare
    torch.set_num_threads(threads)


def compare_in_float32(torch, model, twin, images):
    """The outputs and gradients of a single image, where they can be alike; `twin` is in float64."""
    keep_statistics(model.train(), nn.BatchNorm2d)
    keep_statistics(twin.train(), torch.nn.BatchNorm2d)
    copy_state(torch, model, twin)  # as rounded to float32
    image = image_far_from_kinks(torch, twin, images)
    model.zero_grad()
    with pinned("strict"):  # Winograd's F(4, 3) may round a number over a kink that is this near
        output = model(tn.tensor(image))
        F.cross_entropy(output, [1]).backward()
    twin.float().zero_grad()
    output_twin = twin(in_pytorch(torch, image))
    torch.nn.functional.cross_entropy(output_twin, torch.tensor([1])).backward()
    expected = output_twin.detach().numpy()
    np.testing.assert_allclose(output.numpy(), expected, rtol=0, atol=1e-4 * abs(expected).max())
    compare_gradients(model, twin, tolerance=1e-3)


def compare_gradients(model, twin, tolerance, least=0.0):
    """All gradients agree, up to a share of the largest number of each, which counts as `least` at least."""
    twins = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        expected = twins[name].grad.numpy()
        gradient = in_layout_of_pytorch(parameter.grad.numpy())
        assert gradient.dtype == expected.dtype
        scale = max(abs(expected).max(), least)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=tolerance * scale, err_msg=name)


def image_far_from_kinks(torch, twin, images):
    """One image (1, H, W, C), float32, like those given."""
    for seed in range(DRAWS):
        noise = np.random.default_rng(seed).normal(size=images[:1].shape)
        image = (images.std() * noise).astype(np.float32)
        if is_far_from_kinks(torch, twin, in_pytorch(torch, image).double(), FAR_FROM_KINKS):
            return image
    raise AssertionError(f"each of {DRAWS} images comes too near to a kink")


def keep_statistics(model, batch_norm):
    """Lets the batch norms of a model in training use their running statistics."""
    for module in model.modules():
        if isinstance(module, batch_norm):
            module.eval()


def in_pytorch(torch, images):
    """(N, H, W, C) → (N, C, H, W)."""
    return torch.tensor(np.moveaxis(images, -1, 1).copy())


def copy_state(torch, model, twin):
    """Gives the twin the weights and statistics of the model; all names must be found there."""
    state = {
        name: torch.tensor(in_layout_of_pytorch(tensor.numpy()).copy())
        for name, tensor in model.state_dict().items()
    }
    missing, surplus = twin.load_state_dict(state, strict=False)
    assert not surplus
    assert all(name.endswith("num_batches_tracked") for name in missing)
