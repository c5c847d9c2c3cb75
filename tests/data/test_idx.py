"""The IDX reader and writer, on honest, damaged and hostile files."""

import gzip
import re
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.data import read_idx, write_idx
from tinynet.errors import ArgumentError, DataError, DTypeError

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]


def header(code, *shape):
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans())
def test_what_was_written_is_read(tmp_path_factory, dtype, shape, compressed):
    path = tmp_path_factory.mktemp("idx") / ("array.idx.gz" if compressed else "array.idx")
    array = np.random.default_rng(0).integers(0, 127, shape).astype(dtype)
    write_idx(path, array)
    found = read_idx(path)
    assert found.dtype == np.dtype(dtype) and found.dtype.isnative
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable


def test_the_bytes_are_those_of_the_format(tmp_path):
    path = tmp_path / "array.idx"
    write_idx(path, np.array([[1, 2], [-1, 300]], dtype=np.int16))
    assert path.read_bytes() == bytes.fromhex("00000b02 00000002 00000002 0001 0002 ffff 012c")


def test_big_endian_and_non_contiguous_arrays_are_written(tmp_path):
    array = np.arange(12, dtype=">i4").reshape(3, 4).T
    write_idx(tmp_path / "array.idx", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "array.idx"), array)


def test_equal_arrays_give_equal_compressed_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(10, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gz", "b.gz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a header of 4 bytes, found 0"),
        (b"\0\0", "expected a header of 4 bytes, found 2"),
        (b"\x89PNG\r\n\x1a\n", "found 89 50 4e 47"),
        (header(0x0A, 3) + b"abc", "found 00 00 0a 01"),
        (header(0x08) + b"a", "expected 1 to 8 dimensions, found 0"),
        (header(0x08, *[1] * 9) + b"a", "expected 1 to 8 dimensions, found 9"),
        (header(0x08, 2, 3)[:-2], "expected 8 bytes with 2 dimensions, found 6"),
        (header(0x08, 2, 3) + b"abcde", "expected 6 bytes after the header (shape (2, 3), uint8), found"),
        (header(0x08, 2, 3) + b"abcdefg", "expected 6 bytes after the header (shape (2, 3), uint8), found"),
        (header(0x0E, 1) + b"1234567", "expected 8 bytes after the header (shape (1,), float64), found"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_named_with_what_was_found(tmp_path, content, message, compressed):
    path = tmp_path / "damaged.idx"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_found_lengths_are_exact_for_plain_files(tmp_path):
    path = tmp_path / "short.idx"
    path.write_bytes(header(0x08, 10) + b"1234")
    with pytest.raises(DataError, match=r"expected 10 bytes .* found 4$"):
        read_idx(path)


@pytest.mark.parametrize("cut", [1, 8, 30])
def test_truncated_and_flipped_gzip_files(tmp_path, cut):
    path = tmp_path / "cut.gz"
    write_idx(path, np.random.default_rng(0).integers(0, 255, 1000, dtype=np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    with pytest.raises(DataError, match="damaged gzip file"):
        read_idx(path)
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    with pytest.raises(DataError, match="damaged gzip file"):
        read_idx(path)


def peak_memory_of_refusal(path, message):
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((100_000, 1000, 1000), "announces 100,000,000,000 bytes"),
        ((0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF), "at most 2,147,483,648 are accepted"),
        ((1_000_000_000,), "expected 1,000,000,000 bytes"),
    ],
)
def test_a_header_cannot_make_the_reader_allocate(tmp_path, compressed, shape, message):
    path = tmp_path / "liar.idx"
    content = header(0x08, *shape) + b"few"
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert peak_memory_of_refusal(path, message) < 1 << 20


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(header(0x08, 10) + bytes(50 << 20)))
    assert peak_memory_of_refusal(path, "expected 10 bytes .* found at least 11") < 4 << 20


def test_max_bytes_can_be_chosen(tmp_path):
    write_idx(tmp_path / "a.idx", np.zeros(100, dtype=np.float32))
    with pytest.raises(DataError, match=r"announces 400 bytes .* at most 399 are accepted"):
        read_idx(tmp_path / "a.idx", max_bytes=399)
    assert read_idx(tmp_path / "a.idx", max_bytes=400).shape == (100,)


def test_arrays_that_the_format_cannot_hold(tmp_path):
    with pytest.raises(DTypeError, match="write_idx: array has dtype int64"):
        write_idx(tmp_path / "a.idx", np.arange(3))
    with pytest.raises(ArgumentError, match=r"write_idx: array has shape \(\)"):
        write_idx(tmp_path / "a.idx", np.float32(1))
    assert not list(tmp_path.iterdir())
