"""Files in PyTorch's formats, written byte by byte, so that they can be wrong in any way."""

import pickle
import struct
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    return pickle.dumps(value, 2)[2:-1]


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(key="0", length=6, kind="FloatStorage", tag="storage"):
    described = text(tag) + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + number(length)
    return b"(" + described + b"tQ"


def tensor(stored=None, offset=0, shape=(2, 3), strides=(3, 1)):
    arguments = (storage() if stored is None else stored) + number(offset) + numbers(shape) + numbers(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"\x89}tR"


def state_dict(**tensors):
    items = b"".join(text(name) + content for name, content in tensors.items())
    return b"\x80\x02}(" + items + b"u."


def write_zip(path, structure, data, byteorder="little", compression=zipfile.ZIP_STORED):
    """`data` maps keys of storages to bytes."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", structure)
        archive.writestr("archive/byteorder", byteorder)
        for key, content in data.items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def write_legacy(path, structure, data, little_endian=True, keys=None, lengths=None, item=4):
    parts = [MAGIC, 1001, {"little_endian": little_endian}]
    content = b"".join(pickle.dumps(part, 2) for part in parts) + structure
    content += pickle.dumps(list(data) if keys is None else keys, 2)
    for key, stored in data.items():
        length = (lengths or {}).get(key, len(stored) // item)
        content += struct.pack("<q" if little_endian else ">q", length) + stored
    path.write_bytes(content)
    return path
