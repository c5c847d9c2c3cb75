"""Where data sets lie on disk: ``$TINYNET_DATA``, then the user's cache folder, then the network."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tinynet.errors import TinynetError

__all__ = ["DataNotFoundError", "RemoteFile", "cache_folder", "fetch", "locate", "search_folders"]


class DataNotFoundError(TinynetError, FileNotFoundError):
    """A data set is nowhere on this machine and may not be, or could not be, downloaded."""


@dataclass(frozen=True)
class RemoteFile:
    """A published file, pinned so that nothing else can take its place.

    Attributes:
        name: the name under which it is looked for and stored.
        url: where it is published; https only.
        sha256: its hash, in lower-case hexadecimal.
        size: its length in bytes.
    """

    name: str
    url: str
    sha256: str
    size: int


def cache_folder():
    """The folder of this user for downloaded data; it need not exist yet.

    ``$XDG_CACHE_HOME/tinynet`` where that is set, else the platform's usual place:
    ``~/.cache/tinynet``, on macOS ``~/Library/Caches/tinynet``, on Windows ``%LOCALAPPDATA%\\tinynet``.
    """
    chosen = os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen) / "tinynet"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tinynet"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"]) / "tinynet"
    return Path.home() / ".cache" / "tinynet"


def search_folders(data_set):
    """The folders in which the files of a data set are looked for, in this order."""
    roots = [cache_folder()]
    if os.environ.get("TINYNET_DATA"):
        roots.insert(0, Path(os.environ["TINYNET_DATA"]))
    return [root / data_set for root in roots]


def locate(data_set, *names):
    """The first of the files or folders `names` that exists, or None.

    All names are looked for in ``$TINYNET_DATA/<data_set>`` before any in the cache folder.
    """
    for folder in search_folders(data_set):
        for name in names:
            if (folder / name).exists():
                return folder / name
    return None


def not_found(data_set, names, advice):
    """The error for a data set that isn't there, with all places searched and what to do about it."""
    places = "\n".join(f"  {folder / name}" for folder in search_folders(data_set) for name in names)
    return DataNotFoundError(f"data set {data_set!r} was not found. Searched:\n{places}\n{advice}")


def fetch(data_set, file, alternatives=(), **options):
    """The path of a published file, downloaded into the cache folder when it is nowhere on this machine.

    A file that is found is taken as it is: its reader checks its contents. A file that is downloaded
    must have the pinned hash.

    Args:
        data_set: the name of the data set, which is the name of its folder.
        file: the `RemoteFile`.
        alternatives: other names under which the same data may lie, such as the uncompressed file.
        options: for `download.download`.

    Raises:
        DataNotFoundError: the file isn't there, and ``TINYNET_OFFLINE=1`` is set or the transfer failed.
        DataError: what was downloaded isn't the pinned file.
    """
    names = (file.name, *alternatives)
    found = locate(data_set, *names)
    if found is not None:
        return found
    advice = (
        f"To put it there yourself, save {file.url} ({file.size:,} bytes) under one of these paths; "
        "TINYNET_DATA names the folder that holds the data sets."
    )
    if os.environ.get("TINYNET_OFFLINE", "0") not in ("", "0"):
        raise not_found(data_set, names, f"TINYNET_OFFLINE forbids the download. {advice}")
    from tinynet.data.download import download  # urllib costs 30 ms, and is seldom needed

    target = cache_folder() / data_set / file.name
    try:
        download(file.url, target, file.sha256, file.size, **options)
    except OSError as error:
        raise not_found(data_set, names, f"The download failed: {error}. {advice}") from error
    return target
