"""Writing a file so that readers see the old one or the whole new one."""

import contextlib
import os
import secrets
from pathlib import Path

__all__ = ["written_whole"]


@contextlib.contextmanager
def written_whole(path):
    """Gives a temporary path with the same suffix, which takes the place of `path` when the block ends.

    Folders are made as needed. When the block raises, nothing is left behind and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
