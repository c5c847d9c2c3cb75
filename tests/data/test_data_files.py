"""Where data sets are looked for, and what is said when they are not there."""

import hashlib
import io
import sys
from pathlib import Path

import pytest

from tinynet.data.files import DataNotFoundError, RemoteFile, cache_folder, fetch, locate

CONTENT = b"some numbers"
FILE = RemoteFile("a.bin", "https://data.example/a.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Response(io.BytesIO):
    status = 200
    headers: dict = {}  # noqa: RUF012


@pytest.fixture
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TINYNET_OFFLINE", raising=False)
    chosen, cached = tmp_path / "data" / "set", tmp_path / "cache" / "tinynet" / "set"
    chosen.mkdir(parents=True)
    cached.mkdir(parents=True)
    return chosen, cached


def no_network(request):
    raise AssertionError(f"{request.full_url} was asked for")


def test_the_data_folder_comes_before_the_cache(folders):
    chosen, cached = folders
    (cached / "a.bin").write_bytes(b"cached")
    assert fetch("set", FILE, opener=no_network) == cached / "a.bin"
    (chosen / "a.bin").write_bytes(b"chosen")
    assert fetch("set", FILE, opener=no_network) == chosen / "a.bin"


def test_alternatives_are_found(folders):
    chosen, _ = folders
    (chosen / "a").write_bytes(b"unpacked")
    assert fetch("set", FILE, alternatives=["a"], opener=no_network) == chosen / "a"
    assert locate("set", "b", "a") == chosen / "a"
    assert locate("set", "b") is None


def test_what_is_nowhere_is_downloaded_into_the_cache(folders):
    _, cached = folders
    assert fetch("set", FILE, opener=lambda request: Response(CONTENT)) == cached / "a.bin"
    assert (cached / "a.bin").read_bytes() == CONTENT


def test_offline_forbids_and_says_where_to_put_the_file(folders, monkeypatch):
    chosen, cached = folders
    monkeypatch.setenv("TINYNET_OFFLINE", "1")
    with pytest.raises(DataNotFoundError) as caught:
        fetch("set", FILE, alternatives=["a"], opener=no_network)
    message = str(caught.value)
    for place in (chosen / "a.bin", chosen / "a", cached / "a.bin", cached / "a"):
        assert f"  {place}\n" in message
    assert "TINYNET_OFFLINE forbids the download" in message
    assert "save https://data.example/a.bin (12 bytes) under one of these paths" in message
    assert isinstance(caught.value, FileNotFoundError)


def test_a_failed_download_says_so_too(folders):
    def fail(request):
        raise OSError("no route to host")

    with pytest.raises(DataNotFoundError, match=r"(?s)Searched:.*The download failed: .*no route to host"):
        fetch("set", FILE, opener=fail, attempts=1)


def test_the_cache_folder_of_each_platform(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == Path.home() / ".cache" / "tinynet"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "tinynet"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "somewhere")
    assert cache_folder() == Path("somewhere") / "tinynet"
