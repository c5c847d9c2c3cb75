"""State dicts of PyTorch, in both of its formats: what PyTorch wrote, and what nobody should read."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest
from pytorch_files import number, state_dict, storage, tensor, text, write_legacy, write_zip

from tinynet.data.files import locate
from tinynet.errors import ArgumentError, CheckpointError
from tinynet.pickles import machine
from tinynet.weight_files import read_weights

VALUES = np.arange(6, dtype="<f4")
DATA = {"0": VALUES.tobytes()}
WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pt"


# What PyTorch wrote


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="files as PyTorch writes them need torch")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_all_that_a_state_dict_holds(torch, path, zipped, protocol):
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    state["transposed"] = torch.arange(12.0).reshape(3, 4).T
    state["part"] = torch.arange(12.0)[3:9:2]
    state["parameter"] = torch.nn.Parameter(torch.ones(3))
    state["empty"] = torch.zeros(0, 3)
    state["scalar"] = torch.tensor(2.5)
    for dtype in ("float16", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool"):
        state[dtype] = torch.arange(5).to(getattr(torch, dtype))
    torch.save(state, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    file = read_weights(path)
    assert (file.format, file.layout, list(file.arrays)) == ("pytorch", "pytorch", list(state))
    for name, expected in state.items():
        expected = expected.detach().numpy()
        assert file.arrays[name].dtype == expected.dtype
        np.testing.assert_array_equal(file.arrays[name], expected, err_msg=name)


@pytest.mark.parametrize("zipped", [True, False])
def test_bfloat16_is_widened(torch, path, zipped):
    values = torch.randn(100, generator=torch.Generator().manual_seed(0)).bfloat16()
    torch.save({"x": values}, path, _use_new_zipfile_serialization=zipped)
    found = read_weights(path).arrays["x"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.float().numpy())


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_with_more_than_the_state_dict(torch, path, zipped, protocol):
    layer = torch.nn.Linear(3, 2)
    content = {
        "epoch": 7,
        "state_dict": {f"module.{name}": value for name, value in layer.state_dict().items()},
        "best": np.float64(91.5),
        "shape": torch.Size([1, 2]),
        "optimizer": torch.optim.SGD(layer.parameters(), 0.1).state_dict(),
        "losses": np.arange(3.0),
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    file = read_weights(path)
    assert file.metadata == {"epoch": 7, "best": 91.5}
    assert list(file.arrays) == ["weight", "bias"]
    np.testing.assert_array_equal(file.arrays["weight"], layer.weight.detach().numpy())


def test_one_of_several_state_dicts_is_asked_for(torch, path):
    torch.save({"slow": {"x": torch.zeros(1)}, "fast": {"x": torch.ones(1)}, "lr": 0.1}, path)
    with pytest.raises(CheckpointError, match="could be chosen; entries with named tensors: 'slow', 'fast'"):
        read_weights(path)
    assert read_weights(path, entry="fast").arrays["x"] == 1
    with pytest.raises(CheckpointError, match="holds no state dict 'lr'"):
        read_weights(path, entry="lr")
    np.savez(path.with_suffix(".npz"), x=VALUES)
    with pytest.raises(ArgumentError, match="is npz and has no entry 'fast'"):
        read_weights(path.with_suffix(".npz"), entry="fast")


def test_a_whole_model_is_refused_with_advice(torch, path):
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(CheckpointError) as raised:
        read_weights(path)
    assert f"{path} is refused: torch.nn.modules.linear.Linear is not allowed" in str(raised.value)
    assert "torch.save(model.state_dict(), path)" in str(raised.value)


def test_a_torchscript_program_is_refused(torch, path):
    write_zip(path, state_dict(x=tensor()), DATA)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/code/model.py", "")
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_weights(path)


def test_the_pretrained_residual_network():
    path = locate("weights", "resnet-cifar10/resnet20-12fca82f.th")
    if path is None:
        pytest.skip("the pretrained weights are not on this machine; TINYNET_DATA names their folder")
    file, converted = read_weights(path), read_weights(path.with_suffix(".npz"))
    assert file.metadata == {"best_prec1": pytest.approx(91.78)}
    assert list(file.arrays) == list(converted.arrays)
    assert sum(array.size for array in file.arrays.values()) == 271_098
    for name, expected in converted.arrays.items():
        np.testing.assert_array_equal(file.arrays[name], expected)


# Files made by hand


@WRITERS
def test_files_made_by_hand_are_read(path, write):
    arrays = read_weights(write(path, state_dict(x=tensor(), y=tensor(strides=(1, 2))), DATA)).arrays
    np.testing.assert_array_equal(arrays["x"], VALUES.reshape(2, 3))
    np.testing.assert_array_equal(arrays["y"], VALUES.reshape(3, 2).T)


def test_the_other_byte_order(path):
    data = {"0": VALUES.astype(">f4").tobytes()}
    for file in (
        write_zip(path, state_dict(x=tensor()), data, byteorder="big"),
        write_legacy(path.with_suffix(".th"), state_dict(x=tensor()), data, little_endian=False),
    ):
        found = read_weights(file).arrays["x"]
        np.testing.assert_array_equal(found, VALUES.reshape(2, 3))
        assert found.dtype.isnative


class Runs:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@WRITERS
def test_nothing_is_run(path, tmp_path, write, protocol):
    made = tmp_path / "made"
    calls = [
        (os.system, (f"touch {made}",)),
        (eval, (f"open({str(made)!r}, 'w')",)),
        (__import__, ("antigravity",)),
        (io.open, (str(made), "w")),
    ]
    for call in calls:
        structure = pickle.dumps({"x": Runs(*call)}, protocol)
        with pytest.raises(CheckpointError, match=rf"{path} is refused: .*(not allowed|STRING)"):
            read_weights(write(path, structure, DATA))
    assert not made.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n",
        b"cbuiltins\neval\n",
        b"c__builtin__\neval\n",
        b"ctorch\nload\n",
        b"ctorch.hub\nload\n",
        b"ctorch._utils\n_import_dotted_name\n",
        b"cnumpy.core.multiarray\nfromfile\n",
        b"ccollections\nOrderedDict.__init__\n",
        b"ctorch\nFloatStorage.__class__\n",
    ],
)
@WRITERS
def test_no_name_but_the_few_is_found(path, write, program):
    with pytest.raises(CheckpointError, match=r"is refused: .* is not allowed"):
        read_weights(write(path, state_dict(x=program), DATA))


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (tensor(shape=(2, 4), strides=(4, 1)), "reaches beyond its storage of 6 numbers"),
        (tensor(strides=(4, 1)), "reaches beyond"),
        (tensor(offset=1), "reaches beyond"),
        (tensor(shape=(0,), strides=(1,), offset=7), "reaches beyond"),
        (tensor(shape=(10**11,), strides=(0,)), "reaches beyond"),
        (tensor(shape=(2**62, 2**62), strides=(0, 0)), "reaches beyond"),
        (tensor(offset=-1), "not negative"),
        (tensor(shape=(-2, -3)), "not negative"),
        (tensor(strides=(-3, 1)), "not negative"),
        (tensor(shape=(True, 3)), "not negative"),
        (tensor(shape=(2,)), "1 axes and 2 strides"),
        (tensor(shape=(1,) * 40, strides=(1,) * 40), "40 axes"),
        (tensor(stored=storage(length=25_000_000_000)), r"(take more bytes than|100,000,000,000 bytes)"),
        (tensor(stored=storage(length=7)), r"(needs 28 bytes|should have 7 numbers)"),
        (tensor(stored=storage(length=5), shape=(5,), strides=(1,)), r"(needs 20|should have 5 numbers)"),
        (tensor(stored=storage(length=-6)), "is no storage"),
        (tensor(stored=storage(tag="module")), "is no storage"),
        (tensor(stored=storage(kind="Size")), "is no storage"),
        (tensor(stored=storage(key="1")), r"(There is no item named|does not fit its tensors)"),
        (tensor(stored=number(3) + b"Q"), "damaged pickle"),
        (tensor(stored=number(3)), "a tensor without a storage"),
        (b"ctorch.nn\nLinear\n)\x81", "not allowed"),
        (tensor() + b"N\x93", "damaged pickle"),
        (b"Nb", "(state of something that has none|stack)"),
        (tensor() + b"}(" + text("array") + b"Nub", "state of something that has none"),
        (b"ctorch\nFloatStorage\n(" + text("x") + b"tR", "damaged pickle"),
        (b"(" * 100_000, "damaged pickle"),
        (b"0" * 100_000, "takes more from the stack"),
        (b"h\x05", "damaged pickle"),
        (b"X\xff\xff\xff\xff", "announces, more than 16,777,216 bytes"),
        (b"\x8e" + b"\xff" * 7 + b"\x7f", "announces, more than"),
        (b"\x96" + b"\xff" * 7 + b"\x7f", "announces, more than"),
        (b"\x8b\xff\xff\xff\x7f", "announces, more than"),
    ],
    ids=range(33),
)
@WRITERS
def test_hostile_tensors(path, write, hostile, message):
    with pytest.raises(CheckpointError, match=message) as raised:
        read_weights(write(path, state_dict(x=hostile), DATA))
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 1000


def test_endless_programs_are_stopped(path, monkeypatch):
    monkeypatch.setattr(machine, "MAX_INSTRUCTIONS", 1000)
    with pytest.raises(CheckpointError, match="the pickle has more than 1,000 instructions"):
        read_weights(write_zip(path, state_dict(x=b"]" * 1000), DATA))


def test_keys_whose_hash_takes_for_ever_are_refused(path):
    nested = b")" + b"q\x00h\x00\x86" * 60
    with pytest.raises(CheckpointError, match="a dictionary has a key of type tuple"):
        read_weights(write_zip(path, b"\x80\x02}" + nested + b"Ns.", DATA))


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_every_truncation_is_an_error(path, write):
    content = write(path, state_dict(x=tensor(), y=tensor()), DATA).read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=str(path)):
            read_weights(path)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_flipped_bits_give_an_error_or_arrays(path, write, rng):
    content = write(path, state_dict(x=tensor(), y=tensor()), DATA).read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            arrays = read_weights(path).arrays
        except CheckpointError as error:
            assert str(path) in str(error)
        else:
            assert sum(array.nbytes for array in arrays.values()) < 1000


def test_compressed_members_are_refused(path):
    structure = state_dict(x=tensor(stored=storage(length=10**7), shape=(10**7,), strides=(1,)))
    write_zip(path, structure, {"0": bytes(4 * 10**7)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="is compressed, which PyTorch never does"):
        read_weights(path)


def test_members_that_share_their_bytes_are_refused(path):
    write_zip(path, state_dict(a=tensor(), b=tensor(storage("1")), c=tensor(storage("2"))), {})
    before = path.read_bytes()
    count = 1000
    structure = state_dict(**{f"x{key}": tensor(storage(str(key), 6)) for key in range(count)})
    write_zip(path, structure, DATA)
    with zipfile.ZipFile(path, "a") as archive:
        shared = archive.getinfo("archive/data/0")
        for key in range(1, count):
            member = zipfile.ZipInfo(f"archive/data/{key}")
            for attribute in ("CRC", "compress_size", "file_size", "header_offset"):
                setattr(member, attribute, getattr(shared, attribute))
            archive.filelist.append(member)
            archive.NameToInfo[member.filename] = member
        archive._didModify = True
    assert len(before) < path.stat().st_size
    with pytest.raises(CheckpointError, match=str(path)):
        read_weights(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keys": []}, "list of storages does not fit"),
        ({"keys": ["0", "0"]}, "list of storages does not fit"),
        ({"keys": ["0", "1"]}, "damaged: '1'"),
        ({"keys": {"0": 1}}, "list of storages does not fit"),
        ({"lengths": {"0": 7}}, "should have 6 numbers .* but announces 7"),
        ({"lengths": {"0": -1}}, "announces 18,446,744,073,709,551,615"),
        ({"data": {"0": DATA["0"], "1": b""}, "keys": ["0"]}, "goes on behind its last storage"),
    ],
)
def test_legacy_files_that_contradict_themselves(path, changes, message):
    options = {"data": DATA, **changes}
    with pytest.raises(CheckpointError, match=message):
        read_weights(write_legacy(path, state_dict(x=tensor()), **options))


def test_one_storage_described_in_two_ways(path):
    structure = state_dict(x=tensor(), y=tensor(stored=storage(kind="IntStorage")))
    with pytest.raises(CheckpointError, match="storage 0 is described in two ways"):
        read_weights(write_zip(path, structure, DATA))


def test_a_storage_shown_many_times_takes_its_memory_once(path):
    tensors = {f"x{index}": tensor() for index in range(500)}
    arrays = read_weights(write_zip(path, state_dict(**tensors), DATA)).arrays
    assert len(arrays) == 500
    assert all(np.shares_memory(array, arrays["x0"]) for array in arrays.values())


@pytest.mark.parametrize("nested", [b"]" * 200_000 + b"a" * 199_999, b")" + b"\x85" * 200_000])
def test_deep_nesting_is_harmless(path, nested):
    with pytest.raises(CheckpointError, match="holds no state dict"):
        read_weights(write_zip(path, b"\x80\x02" + nested + b".", DATA))


def test_an_ordinary_pickle_is_no_weights(path):
    path.write_bytes(pickle.dumps({"a": 1}, 2))
    with pytest.raises(CheckpointError, match="is a pickle, but not one of PyTorch"):
        read_weights(path)
