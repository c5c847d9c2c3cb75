"""Pickles are read as data; what wants more is refused."""

import pickle
import struct

import numpy as np
import pytest

from tinynet.data.array_pickle import load_array_pickle
from tinynet.errors import DataError


def python2_pickle(data, labels):
    """A batch as Python 2 pickled it (protocol 2): byte strings, and NumPy's names of that time."""
    shape = b"".join(b"M" + struct.pack("<H", length) for length in data.shape)
    content = data.tobytes()
    return b"".join(
        [
            b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(",
            b"".join(b"K" + bytes([label]) for label in labels),
            b"eU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07",
            b"(K\x01" + shape + b"\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87Rq\x09",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<i", len(content)) + content + b"tbu.",
        ]
    )


def test_pickles_of_python_2():
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    pickled = python2_pickle(data, [1, 2, 3])
    assert pickle.loads(pickled, encoding="bytes")[b"labels"] == [1, 2, 3]
    found = load_array_pickle(pickled, "batch")
    assert found[b"labels"] == [1, 2, 3]
    np.testing.assert_array_equal(found[b"data"], data)
    assert found[b"data"].dtype == np.uint8


class Runs:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(protocol, tmp_path):
    target = tmp_path / "made"
    for call in ((open, (str(target), "w")), (eval, (f"open({str(target)!r}, 'w')",))):
        with pytest.raises(DataError, match="evil: not a pickle of plain data and arrays"):
            load_array_pickle(pickle.dumps({"data": Runs(*call)}, protocol), "evil")
    assert not target.exists()


ARRAY = python2_pickle(np.arange(12, dtype=np.uint8).reshape(3, 4), [1])


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"", "not a pickle"),
        (ARRAY[:-20], "not a pickle"),
        (ARRAY.replace(b"M\x03\x00M\x04\x00", b"M\x03\x00M\x05\x00"), "has 15 bytes, found 12"),
        (ARRAY.replace(b"U\x02u1", b"U\x02O8"), "dtype 'O8' is not allowed"),
        (ARRAY.replace(b"U\x01|", b"U\x01!"), "byte order '!' is not known"),
        (b"\x80\x02cnumpy\nload\n.", r"numpy\.load is not allowed"),
        (b"\x80\x02cnumpy.core.multiarray\nfromfile\n.", r"numpy\.core\.multiarray\.fromfile is not allowed"),
        (b"\x80\x02cnumpy\nndarray\n}(U\x05_makeK\x01ub.", "it sets the state of something that has none"),
        (
            b"\x80\x02cnumpy\nndarray\nN}(U\x05_makeK\x01u\x86b.",
            "it sets the state of something that has none",
        ),
        (b"\x80\x02]j\xff\xff\xff\x7f.", "damaged pickle"),
        (b"\x96\xff\xff\xff\xff\xff\xff\xff\x0f.", "not a pickle"),
        (pickle.dumps(bytearray(5), 5), "instruction BYTEARRAY8 at byte 11 is not allowed"),
    ],
)
def test_damaged_and_hostile_pickles(pickled, message):
    with pytest.raises(DataError, match=f"batch: .*{message}"):
        load_array_pickle(pickled, "batch")
