"""Devices, defaults, moving arrays, random generators."""

import json
import threading

import numpy as np
import pytest

import tinynet as tn
from tinynet import Device, Generator, backend
from tinynet.errors import ArgumentError, DeviceError, DTypeError

needs_no_gpu = pytest.mark.skipif(tn.cuda_is_available(), reason="checks what is said without a GPU")


class TestDevices:
    def test_names(self):
        assert str(Device("cpu")) == "cpu"
        assert str(Device("cuda")) == str(Device("cuda:0")) == "cuda:0"
        assert Device("cuda:1").index == 1
        assert repr(tn.device("cpu")) == "device('cpu')"
        assert str(Device(Device("cuda:2"))) == "cuda:2"

    def test_equality_and_hash(self):
        assert Device("cuda") == Device("cuda:0") == "cuda"
        assert Device("cpu") == "cpu"
        assert Device("cpu") != Device("cuda")
        assert Device("cpu") != 3
        assert len({Device("cuda"), Device("cuda:0"), Device("cpu")}) == 2
        assert {"cpu": 1}[Device("cpu")] == 1

    @pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "", "cuda:-1", "cuda:1:2", "cuda:", None, 0])
    def test_other_names_are_refused(self, name):
        with pytest.raises(ArgumentError, match="expected 'cpu', 'cuda' or 'cuda:N', not"):
            Device(name)

    @needs_no_gpu
    def test_a_missing_gpu_is_explained(self):
        for attempt in (
            lambda: tn.tensor([1.0], device="cuda"),
            lambda: tn.set_default_device("cuda:1"),
            lambda: tn.device("cuda").__enter__(),
            lambda: Device("cuda").xp,
        ):
            with pytest.raises(
                DeviceError, match=r"device 'cuda:\d'.*(pip install 'tinynet\[gpu\]'|no usable GPU)"
            ):
                attempt()
        assert tn.default_device() == "cpu"

    def test_the_default_comes_from_the_environment(self, monkeypatch):
        monkeypatch.delenv("TINYNET_DEVICE", raising=False)
        assert tn.default_device() == "cpu"
        monkeypatch.setenv("TINYNET_DEVICE", "cuda:3")
        assert tn.default_device() == "cuda:3"
        monkeypatch.setenv("TINYNET_DEVICE", "cpu")
        assert tn.default_device() == "cpu"
        monkeypatch.setenv("TINYNET_DEVICE", "tpu")
        with pytest.raises(ArgumentError, match="not 'tpu'"):
            tn.default_device()

    def test_code_overrules_the_environment(self, monkeypatch):
        monkeypatch.setenv("TINYNET_DEVICE", "cuda:3")
        with tn.device("cpu"):
            assert tn.default_device() == "cpu"
            assert tn.tensor([1.0]).device == "cpu"
        assert tn.default_device() == "cuda:3"
        tn.set_default_device("cpu")
        assert tn.default_device() == "cpu"
        tn.set_default_device(None)
        assert tn.default_device() == "cuda:3"

    def test_an_environment_that_asks_for_a_gpu_leaves_arrays_where_they_are(self, monkeypatch):
        monkeypatch.setenv("TINYNET_DEVICE", "cuda")
        assert tn.as_tensor(np.ones(2)).device == "cpu"

    def test_blocks_nest(self):
        device = tn.device("cpu")
        with device, device:
            assert tn.default_device() is device
        assert backend.default_device() == "cpu"


class TestDefaultDtype:
    def test_set_and_get(self):
        assert tn.default_dtype() == np.float32
        tn.set_default_dtype("float64")
        assert tn.default_dtype() == np.float64
        assert tn.tensor(1.0).dtype == np.float64

    @pytest.mark.parametrize("dtype", [np.int64, bool, complex])
    def test_only_floating(self, dtype):
        with pytest.raises(DTypeError, match="expected a floating dtype, not"):
            tn.set_default_dtype(dtype)

    def test_threads_have_their_own(self):
        seen = []

        def work():
            seen.append(tn.default_dtype())
            tn.set_default_dtype(np.float16)

        tn.set_default_dtype(np.float64)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen == [np.float32]
        assert tn.default_dtype() == np.float64


class TestArrays:
    def test_modules_and_devices(self):
        array = np.ones(2)
        assert backend.array_module(array) is np
        assert backend.array_module([1.0]) is np
        assert backend.device_of(array) == "cpu"
        assert backend.to_numpy(array) is array
        assert backend.to_device(array, "cpu") is array

    def test_as_array_takes_arrays_as_they_are(self):
        array = np.ones(2)
        assert backend.as_array(array) is array
        assert backend.as_array(array, dtype=np.float64) is array
        assert backend.as_array(array, dtype=np.float32).dtype == np.float32

    def test_ragged_data(self):
        with pytest.raises(ValueError, match="inhomogeneous"):
            backend.as_array([[1.0], [1.0, 2.0]])


class TestGenerator:
    def draws(self, generator):
        return [
            generator.uniform((3,)),
            generator.normal((2, 2)),
            generator.integers(0, 10, (4,)),
            generator.permutation(5),
        ]

    def test_the_same_seed_gives_the_same_numbers(self):
        for one, other in zip(self.draws(Generator(5)), self.draws(Generator(5)), strict=True):
            np.testing.assert_array_equal(one, other)
        assert not np.array_equal(Generator(5).uniform((3,)), Generator(6).uniform((3,)))

    def test_the_state_survives_json(self):
        generator = Generator(5)
        self.draws(generator)
        state = json.loads(json.dumps(generator.get_state()))
        expected = self.draws(generator)
        for restored in (generator, Generator()):
            restored.set_state(state)
            for one, other in zip(self.draws(restored), expected, strict=True):
                np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_ranges_and_dtypes(self, dtype):
        generator = Generator(0)
        uniform = generator.uniform((2000,), -2.0, 3.0, dtype=dtype)
        normal = generator.normal((2000,), 5.0, 0.5, dtype=dtype)
        assert uniform.dtype == normal.dtype == dtype
        assert uniform.min() >= -2
        assert uniform.max() <= 3
        assert abs(uniform.astype(np.float64).mean() - 0.5) < 0.2
        assert abs(normal.astype(np.float64).mean() - 5) < 0.1
        assert abs(normal.astype(np.float64).std() - 0.5) < 0.1

    def test_no_axes_and_no_elements(self):
        generator = Generator(0)
        assert np.shape(generator.uniform((), 2.0, 3.0)) == ()
        assert generator.normal((0, 3)).shape == (0, 3)

    def test_the_default_generator(self):
        seeded = tn.manual_seed(3)
        assert tn.default_generator() is seeded
        first = seeded.uniform((4,))
        np.testing.assert_array_equal(tn.manual_seed(3).uniform((4,)), first)

    def test_numpys_own_state_is_left_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002 - this very state must stay
        tn.manual_seed(3).normal((10,))
        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


class TestOnTheGpu:
    def test_there_and_back(self, cuda):
        x = tn.tensor([[1.0, 2.0]], device="cuda", requires_grad=True)
        assert x.device == cuda
        assert f"device='{cuda}'" in repr(x)
        np.testing.assert_array_equal(x.numpy(), [[1, 2]])
        np.testing.assert_array_equal(np.asarray(x), [[1, 2]])
        assert backend.to_device(x.data, "cuda") is x.data
        with cuda:
            assert tn.tensor([1.0]).device == cuda
            assert tn.as_tensor(np.ones(2)).device == "cpu"
            with tn.device("cpu"):
                assert tn.tensor([1.0]).device == "cpu"
            assert tn.tensor([1.0]).device == cuda

    def test_forward_and_backward(self, cuda):
        x = tn.tensor([1.0, 2.0, 3.0], device=cuda, requires_grad=True)
        (x * x + 2.0 * x).backward(backend.to_device(np.ones(3, np.float32), cuda))
        assert x.grad.device == cuda
        np.testing.assert_array_equal(x.grad.numpy(), [4, 6, 8])

    def test_mixing_devices_is_named(self, cuda):
        with pytest.raises(
            DeviceError, match=r"input 0 on cuda:0, input 1 on cpu.*move them with \.to\(device\)"
        ):
            tn.tensor([1.0], device=cuda) + tn.tensor([1.0])

    def test_random_numbers_and_their_state(self, cuda):
        generator = Generator(1)
        generator.uniform((3,), device=cuda)
        state = generator.get_state()
        expected = generator.uniform((3,), device=cuda).get()
        generator.set_state(state)
        np.testing.assert_array_equal(generator.uniform((3,), device=cuda).get(), expected)
        assert generator.normal((3,), device=cuda, dtype=np.float64).dtype == np.float64

    def test_dlpack(self, cuda):
        x = tn.tensor([1.0, 2.0], device=cuda)
        y = tn.from_dlpack(x)
        assert y.device == cuda
        assert y.data.data.ptr == x.data.data.ptr

    def test_numbers_are_written_from_anywhere(self, cuda):
        x = tn.tensor(np.zeros((2, 3)), device=cuda)
        x[0] = np.arange(3)
        x[1, :2] = [5, 6]
        x[1, 2] = 7
        np.testing.assert_array_equal(x.numpy(), [[0, 1, 2], [5, 6, 7]])
        x.copy_(np.ones((2, 3)))
        x[0] = tn.tensor([2.0, 3.0, 4.0])
        np.testing.assert_array_equal(x.numpy(), [[2, 3, 4], [1, 1, 1]])
