"""The network that reads words: the documented sizes, and a PyTorch network of the same weights."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn, optim
from tinynet.errors import ArgumentError, ShapeError
from tinynet.inspection import summary
from tinynet.nn.foreign_weights import translate

TABLE = [
    ("Conv2d", (32, 128, 64), 640),
    ("MaxPool2d", (16, 64, 64), 0),
    ("Conv2d", (16, 64, 128), 73_856),
    ("MaxPool2d", (8, 32, 128), 0),
    ("Conv2d", (8, 32, 256), 295_168),
    ("Conv2d", (8, 32, 256), 590_080),
    ("MaxPool2d", (4, 32, 256), 0),
    ("Conv2d", (4, 32, 512), 1_180_160),
    ("BatchNorm2d", (4, 32, 512), 2_048),
    ("Conv2d", (4, 32, 512), 2_359_808),
    ("BatchNorm2d", (4, 32, 512), 2_048),
    ("MaxPool2d", (2, 32, 512), 0),
    ("Conv2d", (1, 31, 512), 1_049_088),
    ("LSTM", (31, 256), 656_384 + 394_240 + 2_048),
    ("Linear", (31, 63), 16_191),
]


def small(**options):
    return models.CRNN(**{"num_classes": 5, "width": 1 / 16, "hidden_size": 8, **options})


def images_of(rng, count, columns, dtype=np.float32):
    return rng.normal(0, 1, (count, 32, columns, 1)).astype(dtype)


def test_the_documented_network_layer_by_layer():
    with nn.init.skipped():
        model = models.CRNN()
    table = summary(model, (32, 128, 1))
    assert [(row.type, row.output_shape[1:], row.parameters) for row in table] == TABLE
    assert model.num_parameters() == 6_619_711
    assert sum(row[2] for row in TABLE) == 6_619_711 + 2 * 2 * 512  # batch norm's moving statistics
    assert models.CRNN(width=0.25, hidden_size=64).num_parameters() == 554_623


def test_the_documented_shape_and_any_other_width(rng):
    model = small(num_classes=63).eval()
    assert model(images_of(rng, 2, 128)).shape == (2, 31, 63)
    for columns in (8, 9, 11, 12, 50, 203):
        steps = model.steps(columns)
        assert model(images_of(rng, 1, columns)).shape == (1, steps, 63)
    assert [model.steps(columns) for columns in (0, 3, 7, 8, 11, 12, 128)] == [0, 0, 0, 1, 1, 2, 31]
    assert model.steps(np.array([[8, 128], [2, 99]])).tolist() == [[1, 31], [0, 23]]


def test_columns_that_only_fill_up_are_not_read(rng):
    model = small().eval()
    narrow, wide = images_of(rng, 1, 40), np.zeros((2, 32, 64, 1), np.float32)
    wide[0, :, :40], wide[1] = narrow[0], images_of(rng, 1, 64)[0]
    found = model(wide, widths=np.array([40, 64])).numpy()
    alone = model(narrow).numpy()
    # Convolutions look a few columns beyond; further left nothing of the rest may be felt.
    assert abs(found[0, :9] - alone[0]).max() < abs(model(wide).numpy()[0, :9] - alone[0]).max()
    other = wide.copy()
    other[0, :, 60:] = 5
    np.testing.assert_allclose(
        model(other, widths=np.array([40, 64])).numpy()[0, :9], found[0, :9], rtol=0, atol=1e-6
    )


def test_the_loss_is_that_of_ctc_with_the_blank_last(rng):
    model = small()
    logits = rng.normal(0, 1, (2, 6, 5))
    labels = np.array([[0, 1, 1], [3, 0, 0]])
    found = model.loss(logits, labels, [6, 4], [3, 1]).item()
    expected = nn.CTCLoss(blank=4)(tn.functional.log_softmax(logits), labels, [6, 4], [3, 1]).item()
    assert found == pytest.approx(expected, rel=1e-12)
    assert model.blank == 4
    too_long = model.loss(logits[:, :2], labels, [2, 2], [3, 1]).item()
    alone = model.loss(logits[1:, :2], labels[1:], [2], [1]).item()
    assert too_long == pytest.approx(alone / 2, rel=1e-12)


def test_a_few_words_are_learnt():
    tn.manual_seed(0)
    rng = np.random.default_rng(0)
    glyphs = rng.random((4, 32, 12, 1)).astype(np.float32)
    texts = [[0, 1, 2], [3, 3, 0], [2, 0, 2], [1, 3, 0]]
    images = np.stack([np.concatenate(glyphs[text], axis=1) for text in texts])
    model = small(width=1 / 8, hidden_size=32)
    trainer = tn.Trainer(model, optim.Adam(model.parameters(), lr=5e-3), model.loss)
    trainer.fit(images, np.array(texts), epochs=100, batch_size=4, verbose=0)
    read = tn.sequences.best_path(trainer.predict(images), blank=model.blank)
    assert read == [tuple(text) for text in texts]


def twin_of(torch, model):
    """The network in PyTorch, channels first, giving (N, T, classes)."""

    class Twin(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, layer in model.named_children():
                if isinstance(layer, nn.Conv2d):
                    padding = 1 if layer.padding == "same" else 0
                    arguments = layer.in_channels, layer.out_channels, layer.kernel_size
                    setattr(self, name, torch.nn.Conv2d(*arguments, padding=padding))
                elif isinstance(layer, nn.BatchNorm2d):
                    setattr(self, name, torch.nn.BatchNorm2d(layer.num_features))
            sizes = model.recurrent.input_size, model.recurrent.hidden_size
            self.recurrent = torch.nn.LSTM(*sizes, 2, batch_first=True, bidirectional=True)
            self.dense = torch.nn.Linear(2 * sizes[1], model.num_classes)

        def forward(self, x):
            pool = torch.nn.functional.max_pool2d
            x = pool(self.conv1(x).relu(), 2)
            x = pool(self.conv2(x).relu(), 2)
            x = pool(self.conv4(self.conv3(x).relu()).relu(), (2, 1))
            x = self.norm5(self.conv5(x)).relu()
            x = pool(self.norm6(self.conv6(x)).relu(), (2, 1))
            x = self.conv7(x).relu().squeeze(2).transpose(1, 2)
            return self.dense(self.recurrent(x)[0])

    return Twin()


def with_weights_of(model, twin):
    """The model with the weights of the PyTorch network of the same layers."""
    arrays = {name: tensor.detach().numpy() for name, tensor in twin.state_dict().items()}
    model.load_state_dict(translate(model, arrays, "pytorch"))


def test_every_convolution_may_be_normalized(rng):
    model = small(normalized=range(1, 8))
    names = [name for name, layer in model.named_children() if isinstance(layer, nn.BatchNorm2d)]
    assert sorted(names) == [f"norm{number}" for number in range(1, 8)]
    with nn.fusion() as groups:
        assert model(images_of(rng, 2, 40)).shape == (2, 9, 5)
    assert sum(isinstance(group[0], nn.BatchNorm2d) for group in groups) == 7
    assert small(normalized=()).num_parameters() == small().num_parameters() - 2 * 2 * 32


@pytest.mark.parametrize(("dtype", "tolerances"), [("float64", (1e-10, 1e-9)), ("float32", (1e-4, 1e-3))])
def test_pytorch_reads_and_learns_the_same(dtype, tolerances, rng):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    torch.manual_seed(0)
    model = small(width=1 / 4, hidden_size=12, num_classes=7).to(dtype)
    twin = twin_of(torch, model).to(getattr(torch, dtype))
    with_weights_of(model, twin)
    images = images_of(rng, 4, 52, dtype)
    labels, lengths = rng.integers(0, 6, (4, 5)), np.array([5, 3, 0, 4])
    logits = model(tn.tensor(images))
    loss = model.loss(logits, labels, target_lengths=lengths)
    loss.backward()

    theirs = twin(torch.tensor(images.transpose(0, 3, 1, 2)))
    scores = torch.log_softmax(theirs, 2).transpose(0, 1)
    steps = torch.full((4,), scores.shape[0])
    expected = torch.nn.functional.ctc_loss(
        scores, torch.tensor(labels), steps, torch.tensor(lengths), blank=6
    )
    expected.backward()

    forward, backward = tolerances
    assert logits.numpy().dtype == dtype
    assert_close(logits.numpy(), theirs.detach().numpy(), forward, "logits")
    assert loss.item() == pytest.approx(expected.item(), rel=forward)
    gradients = {name: tensor.grad.numpy() for name, tensor in twin.named_parameters()}
    largest = max(abs(gradient).max() for gradient in gradients.values())
    for name, gradient in translate(model, gradients, "pytorch").items():
        found = dict(model.named_parameters())[name].grad.numpy()
        # The gradient of a bias in front of batch norm is zero but for rounding.
        assert_close(found, gradient, backward, name, scale=1e-2 * largest)
    model.eval()
    with torch.no_grad():
        theirs = twin.eval()(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    assert_close(model(tn.tensor(images)).numpy(), theirs, forward, "logits in inference")


def assert_close(found, expected, tolerance, what, scale=0.0):
    scale = max(scale, float(abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, a character and the blank, not 1"),
        ({"num_classes": 2.5}, "num_classes must be an integer of at least 1, not 2.5"),
        ({"in_channels": 0}, "in_channels must be an integer of at least 1, not 0"),
        ({"width": 0}, "width should be above 0, not 0"),
        ({"normalized": (5, 8)}, "normalized names the convolutions 1 to 7, not 8"),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(ArgumentError, match=f"CRNN: {text}"):
        models.CRNN(**arguments)


@pytest.mark.parametrize("shape", [(2, 31, 128, 1), (2, 32, 7, 1), (2, 32, 128, 3), (32, 128, 1)])
def test_wrong_images(shape):
    with pytest.raises(ShapeError) as caught:
        small()(np.zeros(shape, np.float32))
    assert str(caught.value) == (f"CRNN: x must have the shape (N, 32, W, 1) with W at least 8, not {shape}")
