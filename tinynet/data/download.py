"""Downloading a file so that it is either complete and genuine under its final name, or not there."""

import contextlib
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request

from tinynet.errors import ArgumentError, DataError

__all__ = ["download", "secure_open"]

CHUNK = 1 << 18
TIMEOUT_SECONDS = 30


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection only to another https address."""

    def redirect_request(self, request, response, code, message, headers, new_url):
        if not new_url.startswith("https://"):
            raise DataError(f"download: {request.full_url} redirects to {new_url}, which is not https")
        return super().redirect_request(request, response, code, message, headers, new_url)


def secure_open(request):
    """Sends a `urllib.request.Request` and gives the response; redirections stay on https."""
    return urllib.request.build_opener(_SecureRedirects).open(request, timeout=TIMEOUT_SECONDS)


def download(url, target, sha256, size, opener=secure_open, attempts=3, retry_delay=2.0):
    """Downloads a file and checks it before it gets its final name.

    The data goes to ``<target>.part``. A broken transfer leaves that file, and the next attempt, in
    this call or a later one, continues where it ended. When all bytes are there and have the right
    hash, they are flushed to disk and the file is renamed. Processes that want the same file at the
    same time wait for each other.

    Args:
        url: where the file is; https only.
        target: the path to store it under. Folders are made as needed.
        sha256: the hash that the file must have, in lower-case hexadecimal.
        size: its length in bytes.
        opener: sends a `urllib.request.Request` and gives the response.
        attempts: how often a broken transfer is tried in all.
        retry_delay: seconds before the second attempt; twice as many before the third, and so on.

    Raises:
        ArgumentError: the address isn't https.
        DataError: the file has another length or hash. Nothing of it is kept.
        OSError: the transfer failed in all attempts.
    """
    if not url.startswith("https://"):
        raise ArgumentError(f"download: only https addresses are allowed, not {url!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with _one_at_a_time(target.parent):
        if target.exists():  # another process finished it while this one waited
            return
        with open(part, "a+b") as stream:
            _transfer_with_retries(url, stream, size, opener, attempts, retry_delay)
            problem = _problem(stream, url, sha256, size)
            os.fsync(stream.fileno())
        if problem is not None:
            part.unlink()
            raise DataError(problem)
        os.replace(part, target)


@contextlib.contextmanager
def _one_at_a_time(folder):
    """Holds a lock on a folder, and flushes it at the end so that a rename survives a power cut.

    Systems without locks on folders do without: two processes may then spoil each other's transfer,
    which the hash shows.
    """
    if os.name != "posix":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _transfer_with_retries(url, stream, size, opener, attempts, retry_delay):
    for attempt in range(1, attempts + 1):
        try:
            _transfer(url, stream, size, opener)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == attempts:
                raise
        except (OSError, http.client.HTTPException) as error:
            if attempt == attempts:
                raise ConnectionError(f"{url}: {error or type(error).__name__}") from error
        time.sleep(retry_delay * attempt)


def _transfer(url, stream, size, opener):
    """Appends what is missing of the file to the stream."""
    present = stream.seek(0, os.SEEK_END)
    if present >= size:
        return
    request = urllib.request.Request(url, headers={"User-Agent": "tinynet", "Accept-Encoding": "identity"})
    if present:
        request.add_header("Range", f"bytes={present}-")
    with opener(request) as response:
        if present and not _continues(response, present):
            stream.truncate(0)
            present = 0
        with _progress_bar(url, present, size) as bar:
            while chunk := response.read(CHUNK):
                stream.write(chunk)
                present += len(chunk)
                bar.update(len(chunk))
                if present > size:
                    break
    if present < size:
        raise ConnectionError(f"the transfer ended after {present:,} of {size:,} bytes")


def _continues(response, present):
    """Whether the response holds the rest of the file and not all of it again."""
    found = response.headers.get("Content-Range", "")
    return response.status == 206 and found.replace("bytes ", "").startswith(f"{present}-")


def _problem(stream, url, sha256, size):
    """What is wrong with the downloaded bytes, or None."""
    found_size = stream.seek(0, os.SEEK_END)
    if found_size != size:
        found = f"at least {found_size:,}" if found_size > size else f"{found_size:,}"
        return f"download: {url} should have {size:,} bytes, found {found}; nothing was kept"
    stream.seek(0)
    found_hash = hashlib.file_digest(stream, "sha256").hexdigest()
    if found_hash != sha256:
        return (
            f"download: {url} is not the expected file: SHA-256 should be {sha256}, "
            f"found {found_hash}; nothing was kept"
        )
    return None


def _progress_bar(url, present, size):
    from tqdm import tqdm

    return tqdm(
        desc=url.rpartition("/")[2],
        initial=present,
        total=size,
        unit="B",
        unit_scale=True,
        disable=not sys.stderr.isatty(),
    )
