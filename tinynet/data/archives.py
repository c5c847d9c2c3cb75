"""Reading tar archives in memory, without writing any of their members to disk."""

import gzip
import lzma
import tarfile
import zlib

from tinynet.errors import DataError

__all__ = ["read_members"]


class _BoundedReader:
    """Passes on what it reads, up to a limit: an archive cannot unpack to more than that."""

    def __init__(self, stream, limit, path):
        self.stream = stream
        self.left = limit
        self.limit = limit
        self.path = path

    def read(self, length):
        data = self.stream.read(length)
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.path}: unpacks to more than the expected {self.limit:,} bytes")
        return data


def read_members(path, max_bytes):
    """Yields (name, contents) for each file in a ``.tar.gz`` or ``.tar.xz`` archive, in its order.

    Nothing is written to disk, so a member's name is only a name; links and devices are refused.

    Args:
        path: the archive.
        max_bytes: the most that the whole archive may unpack to.

    Raises:
        DataError: the archive is damaged, unpacks to too much, or holds something other than files
            and folders.
    """
    unpack = lzma.open if str(path).endswith(".xz") else gzip.open
    try:
        with (
            unpack(path, "rb") as stream,
            tarfile.open(fileobj=_BoundedReader(stream, max_bytes, path), mode="r|", bufsize=1 << 16) as tar,
        ):
            for member in tar:
                if member.isdir():
                    continue
                if not member.isfile():
                    raise DataError(f"{path}: {member.name!r} is neither a file nor a folder")
                with tar.extractfile(member) as contents:
                    yield member.name, contents.read()
                tar.members.clear()  # else tarfile keeps every header it has seen
    except (tarfile.TarError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path}: damaged archive: {error or type(error).__name__}") from error
