"""Downloads from a server on this machine: whole, broken, resumed, and not what they should be."""

import hashlib
import http.server
import threading
import urllib.request

import pytest

from tinynet.data.download import download, secure_open
from tinynet.errors import ArgumentError, DataError

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://data.example/set.bin"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT. `broken_after` cuts the first transfers short; `requests` lists the ranges."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.broken_after = []
        self.ranges_known = True
        self.status = None
        self.requests = []

    def open(self, request):
        """Opens an https address of the tests at this server."""
        url = request.full_url.replace("https://data.example", f"http://127.0.0.1:{self.server_port}")
        return urllib.request.urlopen(urllib.request.Request(url, headers=dict(request.header_items())))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1/elsewhere")
            self.end_headers()
            return
        if server.status is not None:
            self.send_error(server.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and server.ranges_known else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            )
        self.end_headers()
        if server.broken_after:
            body = body[: server.broken_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server, target, attempts=1):
    download(URL, target, SHA256, len(CONTENT), opener=server.open, attempts=attempts, retry_delay=0)


def test_a_file_arrives_whole_under_its_name(server, tmp_path):
    target = tmp_path / "new" / "folders" / "set.bin"
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["set.bin"]


def test_a_broken_transfer_leaves_nothing_under_the_name_and_is_resumed(server, tmp_path):
    target = tmp_path / "set.bin"
    server.broken_after = [300_000]
    with pytest.raises(ConnectionError, match="ended after 300,000 of 1,048,576 bytes"):
        get(server, target)
    assert not target.exists()
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_a_broken_transfer_is_resumed_by_the_same_call(server, tmp_path):
    server.broken_after = [100_000, 100_000]
    get(server, tmp_path / "set.bin", attempts=3)
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert server.requests == [None, "bytes=100000-", "bytes=200000-"]


def test_an_interrupted_transfer_is_resumed(server, tmp_path):
    target = tmp_path / "set.bin"

    class Interrupted:
        """A response whose reader presses Ctrl-C after the first chunk."""

        def __init__(self, response):
            self.response = response
            self.status, self.headers = response.status, response.headers
            self.chunks = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.response.close()

        def read(self, length):
            self.chunks += 1
            if self.chunks > 1:
                raise KeyboardInterrupt
            return self.response.read(length)

    with pytest.raises(KeyboardInterrupt):
        download(URL, target, SHA256, len(CONTENT), opener=lambda request: Interrupted(server.open(request)))
    assert not target.exists()
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.requests[1] not in (None, "bytes=0-")


def test_a_server_without_ranges_sends_everything_again(server, tmp_path):
    target = tmp_path / "set.bin"
    server.broken_after = [300_000]
    server.ranges_known = False
    get(server, target, attempts=2)
    assert target.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=300000-"]


def test_a_wrong_hash_removes_the_file(server, tmp_path):
    server.content = b"x" + CONTENT[1:]
    with pytest.raises(DataError, match=f"SHA-256 should be {SHA256}, found .*nothing was kept"):
        get(server, tmp_path / "set.bin")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("extra", [1, 5_000_000])
def test_too_many_bytes_are_refused(server, tmp_path, extra):
    server.content = CONTENT + bytes(extra)
    with pytest.raises(DataError, match="should have 1,048,576 bytes, found at least"):
        get(server, tmp_path / "set.bin")
    assert not list(tmp_path.iterdir())


def test_a_complete_part_is_not_fetched_again(server, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    get(server, tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert server.requests == []


def test_a_spoiled_part_is_found_out(server, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(b"spoiled")
    with pytest.raises(DataError, match="not the expected file"):
        get(server, tmp_path / "set.bin")
    get(server, tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_server_errors_are_tried_again_and_client_errors_are_not(server, tmp_path):
    for status, count in ((503, 3), (404, 1)):
        server.status = status
        server.requests.clear()
        with pytest.raises(OSError, match=str(status)) as caught:
            get(server, tmp_path / "set.bin", attempts=3)
        caught.value.close()
        assert len(server.requests) == count


def test_several_at_the_same_time_end_with_one_whole_file(server, tmp_path):
    failures = []

    def run():
        try:
            get(server, tmp_path / "set.bin")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["set.bin"]


@pytest.mark.parametrize("url", ["http://data.example/x", "file:///etc/passwd", "ftp://data.example/x"])
def test_only_https(tmp_path, url):
    with pytest.raises(ArgumentError, match="only https addresses are allowed"):
        download(url, tmp_path / "x", SHA256, 1)


def test_redirections_must_stay_on_https(server):
    request = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/redirect")
    with pytest.raises(DataError, match=r"redirects to http://127.0.0.1/elsewhere, which is not https"):
        secure_open(request)
