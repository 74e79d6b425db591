"""A file that a task stores with its job: a path or bytes, its name and its content type. Must never read a whole file
into memory: it is sent to the server while it is read.
"""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

BYTES = "application/octet-stream"
_PIECE_BYTES = 256 * 1024
Content = str | os.PathLike[str] | bytes | bytearray | memoryview


@dataclass(frozen=True)
class KeptFile:
    """`content` is the absolute path of a file, or bytes."""

    name: str
    content_type: str
    content: str | bytes

    @staticmethod
    def of(content: Content, name: str | None, content_type: str | None) -> KeptFile:
        """What `keep` was given. Raises ValueError for bytes without a name."""
        if isinstance(content, (bytes, bytearray, memoryview)):
            if not name:
                raise ValueError("bytes have no name of their own: keep(content, name=…)")
            return KeptFile(name, content_type or _type_of(name), bytes(content))
        path = os.path.abspath(os.fspath(content))
        name = name or os.path.basename(path)
        return KeptFile(name, content_type or _type_of(name), path)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file, to be read from its beginning. Raises OSError where it cannot be read."""
        if isinstance(self.content, bytes):
            yield io.BytesIO(self.content)
            return
        with open(self.content, "rb") as file:
            yield file


def size_of(file: BinaryIO) -> int:
    """The bytes of an open file, which is at its beginning afterwards."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """So many bytes of a file. Raises OSError where it has become shorter; what was added meanwhile is left out."""
    while size > 0:
        piece = file.read(min(size, _PIECE_BYTES))
        if not piece:
            raise OSError("the file became shorter while it was sent; keep it when it is complete")
        size -= len(piece)
        yield piece


def _type_of(name: str) -> str:
    guessed, encoding = mimetypes.guess_type(name)
    if encoding is not None:
        return "application/gzip" if encoding == "gzip" else BYTES
    return guessed or BYTES
