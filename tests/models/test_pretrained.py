"""Pretrained networks: what they should say of real images, and files that do not fit."""

import io

import numpy as np
import pytest

import tinynet as tn
from tinynet import models, nn
from tinynet.data.archives import read_members
from tinynet.data.cifar10 import JPEG_ARCHIVE_NAME
from tinynet.data.decoding import decode_image
from tinynet.data.files import locate
from tinynet.errors import ArgumentError, CheckpointError, DataError, ShapeError
from tinynet.models import module_names
from tinynet.models.preprocessing import Preprocessing
from tinynet.models.pretrained import read_class_names
from tinynet.nn.serialization import save_tensors


@pytest.fixture
def weights():
    """The path of a file of pretrained weights; the test is skipped where it is not."""

    def find(name):
        path = locate("weights", name)
        if path is None:
            pytest.skip("the pretrained weights are not on this machine; TINYNET_DATA names their folder")
        return path

    return find


@pytest.fixture
def chelsea():
    pytest.importorskip("PIL", reason="reading pictures needs Pillow")
    path = locate("style", "content_chelsea.png")
    if path is None:
        pytest.skip("the photograph is not on this machine; TINYNET_DATA names the folder of the data sets")
    return path


def test_mobilenet_names_the_cat(weights, chelsea):
    network = models.pretrained("mobilenet-v1", weights("mobilenet-v1-0.25-224-tfjs"))
    probabilities = network.predict([chelsea])[0]
    names = read_class_names(weights("synset_words.txt"), 1000)
    best = probabilities.argsort()[::-1]
    expected = {"tabby, tabby cat": 0.42, "Egyptian cat": 0.35, "tiger cat": 0.13}
    assert [names[index] for index in best[:3]] == list(expected)
    np.testing.assert_allclose(probabilities[best[:3]], list(expected.values()), atol=0.01)
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20-12fca82f.th", "resnet20-12fca82f.npz"])
def test_residual_network_on_lossless_cifar(weights, name):
    pytest.importorskip("PIL", reason="reading pictures needs Pillow")
    path = weights(f"resnet-cifar10/{name}")
    if locate("cifar10", "lossless") is None:
        pytest.skip("the lossless part of CIFAR-10 is not on this machine; TINYNET_DATA names its folder")
    data = tn.data.load_cifar10("lossless")
    network = models.pretrained("resnet20", path)
    right = count = 0
    for images, labels in data.train, data.test:
        for start in range(0, len(images), 500):
            x = network.preprocessing(images[start : start + 500] * 255)
            with tn.no_grad():
                found = network.model(tn.tensor(x)).numpy().argmax(axis=1)
            right += (found == labels[start : start + 500]).sum()
        count += len(images)
    assert count == 4000
    assert right / count == pytest.approx(0.998, abs=0.0005)


@pytest.mark.slow
def test_residual_network_on_every_tenth_jpeg_of_cifar(weights):
    pytest.importorskip("PIL", reason="reading pictures needs Pillow")
    archive = locate("cifar10", JPEG_ARCHIVE_NAME)
    if archive is None:
        pytest.skip("the JPEG part of CIFAR-10 is not on this machine; TINYNET_DATA names its folder")
    network = models.pretrained("resnet20", weights("resnet-cifar10/resnet20-12fca82f.th"))
    images, labels = [], []
    for name, content in read_members(archive, max_bytes=1 << 28):
        part, class_name, file_name = name.split("/")[-3:]
        if part == "test" and file_name.endswith("0.jpg"):
            images.append(decode_image(io.BytesIO(content), name))
            labels.append(network.class_names(10).index(class_name))
    with tn.no_grad():
        x = tn.tensor(network.preprocessing(np.stack(images)))
        found = network.model(x).numpy().argmax(axis=1)
    assert len(images) == 1000
    assert np.mean(found == labels) == pytest.approx(0.795, abs=0.005)  # 0.8103 on all 10,000


@pytest.mark.parametrize(
    "name", ["squeezenet_v1.1_notop.npz", "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"]
)
def test_features_of_squeezenet(weights, chelsea, name):
    if name.endswith("h5"):
        pytest.importorskip("h5py", reason="Keras HDF5 files need h5py")
    torch = pytest.importorskip("torch", reason="the comparison needs torch")
    network = models.pretrained("squeezenet", weights(f"squeezenet/{name}"))
    x = network.preprocessing.read(chelsea)[np.newaxis]
    with tn.no_grad():
        features = network.model(tn.tensor(x)).numpy()
    assert features.shape == (1, 13, 13, 512)
    expected = squeezenet_features(torch, network.file.arrays, x)
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5 * abs(expected).max())
    with pytest.raises(ArgumentError, match="holds the weights of features, without classes"):
        network.predict([chelsea])


def squeezenet_features(torch, arrays, x):
    """A plain forward pass, straight from the arrays of the file."""

    def conv(x, name, **options):
        kernel = torch.tensor(np.moveaxis(arrays[f"{name}/kernel"], (-1, -2), (0, 1)).copy())
        bias = torch.tensor(arrays[f"{name}/bias"])
        return torch.relu(torch.nn.functional.conv2d(x, kernel, bias, **options))

    def pool(x):
        return torch.nn.functional.max_pool2d(x, 3, 2)

    def fire(x, number):
        x = conv(x, f"fire{number}/squeeze1x1")
        wide = conv(x, f"fire{number}/expand3x3", padding=1)
        return torch.cat([conv(x, f"fire{number}/expand1x1"), wide], dim=1)

    x = pool(conv(torch.tensor(np.moveaxis(x, -1, 1).copy()), "conv1", stride=2))
    x = pool(fire(fire(x, 2), 3))
    x = pool(fire(fire(x, 4), 5))
    for number in range(6, 10):
        x = fire(x, number)
    return np.moveaxis(x.numpy(), 1, -1)


def test_weights_of_our_own_decide_width_and_classes(tmp_path):
    model = models.MobileNetV1(num_classes=7, width=0.125)
    model.save(tmp_path / "own.safetensors")
    network = models.pretrained("mobilenet-v1", tmp_path / "own.safetensors")
    assert network.model.stem.conv.out_channels == 4
    assert network.class_names(7) == [f"class {index}" for index in range(7)]
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(network.model.state_dict()[name].numpy(), tensor.numpy())
    assert not network.model.training


def write_npz(path, model, **changes):
    """The state of a model, some entries changed or (None) left out."""
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()} | changes
    np.savez(path, **{name: array for name, array in state.items() if array is not None})
    return path


def test_a_file_that_does_not_fit_is_reported_in_full_and_changes_nothing(tmp_path):
    model = models.ResNet8()
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    changes = {
        "stem.0.weight": np.zeros((5, 5, 3, 16), np.float32),
        "stem.1.bias": None,
        "dense.extra": np.zeros(3, np.float32),
    }
    path = write_npz(tmp_path / "w.npz", models.ResNet8(), **changes)
    with pytest.raises(CheckpointError) as raised:
        models.load_weights(model, path)
    message = str(raised.value)
    assert message.startswith(f"load: {path} (format npz, names and axes of tinynet): ")
    assert "missing: stem.1.bias (16,)" in message
    assert "not expected: dense.extra (3,)" in message
    assert "shape: stem.0.weight is (5, 5, 3, 16) in the file but (3, 3, 3, 16) in the model" in message
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])


def test_what_fits_can_be_loaded_when_that_is_wanted(tmp_path):
    source, target = models.ResNet8(), models.ResNet8(num_classes=3)
    path = write_npz(tmp_path / "w.npz", source, **{"dense.weight": None, "dense.bias": None})
    assert models.load_weights(target, path, strict=False) == (["dense.weight", "dense.bias"], [])
    np.testing.assert_array_equal(target.stem[0].weight.numpy(), source.stem[0].weight.numpy())


def test_the_library_can_be_declared_and_is_found_by_names_otherwise(tmp_path, weights):
    path = weights("resnet-cifar10/resnet20-12fca82f.npz")
    declared, found = models.ResNet20(), models.ResNet20()
    models.load_weights(declared, path, library="pytorch")
    models.load_weights(found, path)
    np.testing.assert_array_equal(declared.dense.weight.numpy(), found.dense.weight.numpy())
    with pytest.raises(CheckpointError, match=r"names and axes of keras"):
        models.load_weights(found, path, library="keras")
    with pytest.raises(ArgumentError, match="library should be one of tinynet, pytorch, keras, not 'caffe'"):
        models.load_weights(found, path, library="caffe")


def googlenet_as_published():
    return models.GoogLeNet(num_classes=3, normalization="batch", large_kernel=3, auxiliary=False)


@pytest.mark.parametrize(
    ("name", "make_model", "make_names"),
    [
        ("googlenet", googlenet_as_published, module_names.googlenet_in_pytorch),
        (
            "inception-v3",
            lambda: models.InceptionV3(num_classes=3, auxiliary=False),
            module_names.inception_v3_in_pytorch,
        ),
    ],
)
def test_networks_are_adjusted_to_what_was_published(tmp_path, name, make_model, make_names):
    model = make_model()
    theirs = {ours: path for path, ours in make_names(model).items()}
    stored = {}
    for key, tensor in model.state_dict().items():
        path, _, leaf = key.rpartition(".")
        array = tensor.numpy()
        stored[f"{theirs[path]}.{leaf}"] = array if array.ndim < 2 else np.moveaxis(array, (-1, -2), (0, 1))
    np.savez(tmp_path / "w.npz", **stored)
    found = models.pretrained(name, tmp_path / "w.npz").model
    for key, tensor in model.state_dict().items():
        np.testing.assert_array_equal(found.state_dict()[key].numpy(), tensor.numpy(), err_msg=key)
    if name == "googlenet":
        assert found.pool4.kernel_size == (2, 2)
    else:
        assert all(m.count_include_pad for m in found.modules() if isinstance(m, nn.AvgPool2d))


def test_models_without_published_weights(tmp_path):
    save_tensors(tmp_path / "w.safetensors", {})
    with pytest.raises(ArgumentError, match="no published weights are known for lenet5"):
        models.pretrained("lenet5", tmp_path / "w.safetensors")
    with pytest.raises(ArgumentError, match="there is no model 'mobilenet'; did you mean 'mobilenet-v1'"):
        models.pretrained("mobilenet", tmp_path / "w.safetensors")


def test_preprocessing_of_values():
    pixels = np.array([[[255, 0, 51]]], np.uint8)
    np.testing.assert_allclose(Preprocessing(1)(pixels), [[[1, 0, 0.2]]], rtol=1e-6)
    blue_first = Preprocessing(1, scale=1, mean=(1, 2, 3), std=(1, 2, 4), blue_first=True)
    np.testing.assert_allclose(blue_first(pixels), [[[50, -1, 63]]], rtol=1e-6)
    assert blue_first(pixels).dtype == np.float32
    with pytest.raises(ShapeError, match=r"pixels should be \(\.\.\., H, W, 3\), not of shape \(4, 4, 1\)"):
        Preprocessing(4)(np.zeros((4, 4, 1)))


def test_preprocessing_takes_the_middle(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="reading pictures needs Pillow")
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[10:30, 30:50] = 255  # the middle half of the middle square
    image.fromarray(pixels).save(tmp_path / "x.png")
    whole = Preprocessing(40).read(tmp_path / "x.png")
    assert whole.shape == (40, 40, 3)
    assert whole[10:30, 10:30].min() == 1
    assert whole.mean() == pytest.approx(0.25)
    assert Preprocessing(20, enlarged=40).read(tmp_path / "x.png").min() == 1


def test_lists_of_class_names(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("n01440764 tench, Tinca tinca\nnightingale\n")
    assert read_class_names(path, 2) == ["tench, Tinca tinca", "nightingale"]
    with pytest.raises(DataError, match="2 names, but the model tells 1,000 classes apart"):
        read_class_names(path, 1000)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match="not a readable list of names"):
        read_class_names(path, 1)
    with pytest.raises(DataError, match="not a readable list of names"):
        read_class_names(tmp_path / "none", 1)
