"""Files of ``torch.save``: the zip archive of today, and the sequence of pickles of PyTorch before 1.6.

Only state dicts are read, that is, named tensors, on their own or inside a dictionary with other things. A
file that holds a whole model refers to its Python classes, and is refused.
"""

import os
import zipfile

from tinynet.errors import CheckpointError
from tinynet.pickles.machine import PickleError, read_pickle
from tinynet.weight_files.contents import WeightFile, damaged
from tinynet.weight_files.pytorch_pickle import StoredTensor, read_structure

__all__ = ["read_legacy_pytorch", "read_zipped_pytorch"]

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
LENGTH_BYTES = 8
USUAL_ENTRIES = ("state_dict", "model_state_dict", "model")
PARALLEL_PREFIX = "module."


def read_zipped_pytorch(path, entry=None):
    """Reads the format of PyTorch 1.6 and later: ``data.pkl`` and a member for each storage.

    Args:
        path: the file.
        entry: the key of the state dict, in a file with several.

    Raises:
        CheckpointError: the file is damaged, wants to run something, or holds no state dict.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            structure = _read_archive(archive, path.stat().st_size)
    except CheckpointError:
        raise
    except PickleError as error:
        raise _refused(path, error) from error
    except Exception as error:  # zipfile lets many errors out when bytes are damaged
        raise damaged(path, error or type(error).__name__) from error
    return _weight_file(path, structure, entry)


def _read_archive(archive, file_size):
    pickles = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise PickleError(f"it has {len(pickles)} members named data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    if any(name.startswith(f"{folder}code/") for name in archive.namelist()):
        raise PickleError("it is a TorchScript program, not a state dict")
    with _open_member(archive, pickles[0]) as file:
        structure, storages = read_structure(file)
    if sum(storage.size for storage in storages.values()) > file_size:
        raise PickleError(f"its tensors take more bytes than the {file_size:,} of the file")
    byte_order = ">" if _text_member(archive, f"{folder}byteorder") == "big" else "<"
    for storage in storages.values():
        name = f"{folder}data/{storage.key}"
        found = archive.getinfo(name).file_size
        if found != storage.size:
            raise PickleError(f"storage {storage.key} needs {storage.size:,} bytes, {name} has {found:,}")
        with _open_member(archive, name) as file:
            storage.fill(bytearray(file.read(storage.size)), byte_order)
    return structure


def _open_member(archive, name):
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise PickleError(f"its member {name} is compressed, which PyTorch never does")
    return archive.open(member)


def _text_member(archive, name):
    if name not in archive.namelist():
        return ""
    with _open_member(archive, name) as file:
        return file.read(10).decode("ascii")


def read_legacy_pytorch(path, entry=None):
    """Reads the format of PyTorch before 1.6: five pickles, then each storage behind its length.

    Arguments and errors are those of `read_zipped_pytorch`.
    """
    try:
        with open(path, "rb") as file:
            structure = _read_sequence(file, path.stat().st_size)
    except PickleError as error:
        raise _refused(path, error) from error
    except Exception as error:
        raise damaged(path, error or type(error).__name__) from error
    return _weight_file(path, structure, entry)


def _read_sequence(file, file_size):
    if read_pickle(file, {}) != MAGIC or read_pickle(file, {}) != PROTOCOL:
        raise PickleError("it is a pickle, but not one of PyTorch")
    system = read_pickle(file, {})
    byte_order = "<" if system["little_endian"] else ">"
    structure, storages = read_structure(file)
    keys = read_pickle(file, {})
    if not isinstance(keys, list) or not set(storages) <= set(keys) or len(set(keys)) != len(keys):
        raise PickleError("its list of storages does not fit its tensors")
    for key in keys:
        storage = storages[key]
        length = int.from_bytes(file.read(LENGTH_BYTES), "little" if byte_order == "<" else "big")
        left = file_size - file.tell()
        if length != storage.length or storage.size > left:
            raise PickleError(
                f"storage {key} should have {storage.length:,} numbers ({storage.size:,} bytes), but "
                f"announces {length:,}, and {left:,} bytes are left"
            )
        content = bytearray(storage.size)
        file.readinto(content)
        storage.fill(content, byte_order)
    if file.tell() != os.fstat(file.fileno()).st_size:
        raise PickleError("it goes on behind its last storage")
    return structure


def _refused(path, error):
    return CheckpointError(
        f"load: {path} is refused: {error}. Only state dicts are read, as written by "
        "torch.save(model.state_dict(), path); nothing in a file is ever run"
    )


# The state dict in what a file holds


def _weight_file(path, structure, entry):
    tensors, metadata = _choose(path, structure, entry)
    names = list(tensors)
    if all(name.startswith(PARALLEL_PREFIX) for name in names):  # added by training on several GPUs
        tensors = {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in tensors.items()}
    return WeightFile(path, "pytorch", {name: tensor.array() for name, tensor in tensors.items()}, metadata)


def _choose(path, structure, entry):
    if entry is None and _is_state_dict(structure):
        return structure, {}
    found = structure if isinstance(structure, dict) else {}
    candidates = {key: value for key, value in found.items() if _is_state_dict(value)}
    if entry is None:
        usual = [key for key in USUAL_ENTRIES if key in candidates]
        entry = usual[0] if usual else next(iter(candidates)) if len(candidates) == 1 else None
    if entry not in candidates:
        listed = ", ".join(map(repr, candidates)) or "none"
        raise CheckpointError(
            f"load: {path} holds no state dict"
            + (f" {entry!r}" if entry is not None else " that could be chosen")
            + f"; entries with named tensors: {listed}"
        )
    metadata = {
        key: value
        for key, value in found.items()
        if isinstance(key, str) and isinstance(value, (bool, int, float, str))
    }
    return candidates[entry], metadata


def _is_state_dict(value):
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(key, str) and isinstance(item, StoredTensor) for key, item in value.items())
    )
