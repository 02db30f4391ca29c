"""Unpacks zips that come from anywhere: nothing outside the folder, nothing without a limit."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from bitfold.models.errors import BundleError

LIMIT_BYTES = 1 << 30
"""What an archive may unpack to, and be itself."""
LIMIT_RATIO = 100
"""How many times its own size it may unpack to, beyond FREE_BYTES. Bundles have 3 to 10."""
FREE_BYTES = 16 << 20
LIMIT_MEMBERS = 10_000
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error),
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, OverflowError),
)
"""What zipfile lets through at damage: whatever its parts raise."""
_ENCRYPTED = 1
_REMEDY = "zip a bundle and nothing else"
_CHUNK_BYTES = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Unpacks `archive` into the empty `folder`.

    Counts the bytes that come out, whatever the archive says of them. Raises BundleError for what
    is damaged, larger than the limits, or no plain file with a place of its own in `folder`.
    """
    try:
        size_bytes = archive.stat().st_size
        if size_bytes > LIMIT_BYTES:
            raise BundleError(
                f"{archive}: has {size_bytes:,} bytes, more than {LIMIT_BYTES:,}; {_REMEDY}"
            )
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            _check(archive, members)
            left = min(LIMIT_BYTES, FREE_BYTES + LIMIT_RATIO * size_bytes)
            for member in members:
                if not member.is_dir():
                    left -= _extract(content, member, folder / member.filename, left)
    except BundleError:
        raise
    except DAMAGE as error:
        raise BundleError(
            f"{archive}: can't be unpacked ({error}); get it again, or make room"
        ) from error


def _check(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raises BundleError for members that are not to be unpacked."""
    if len(members) > LIMIT_MEMBERS:
        raise BundleError(
            f"{archive}: holds {len(members):,} files, more than {LIMIT_MEMBERS:,}; {_REMEDY}"
        )
    seen: set[PurePosixPath] = set()
    for member in members:
        path = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not member.filename:
            wrong = "has no name"
        elif path.is_absolute() or ".." in path.parts or "\\" in member.filename:
            wrong = "lies outside of the archive"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            wrong = "is a link or a device"
        elif member.flag_bits & _ENCRYPTED:
            wrong = "is encrypted"
        elif member.compress_type not in METHODS:
            wrong = f"is compressed by method {member.compress_type}; use deflate"
        elif path in seen:
            wrong = "is there twice"
        else:
            seen.add(path)
            continue
        raise BundleError(f"{archive}: {member.filename!r} {wrong}; make the archive again")


def _extract(
    content: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, limit_bytes: int
) -> int:
    """Writes a member to `target`; gives its size."""
    written = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with content.open(member) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            written += len(chunk)
            if written > limit_bytes:
                raise BundleError(
                    f"{content.filename}: unpacks to more than {LIMIT_RATIO} times its size or "
                    f"{LIMIT_BYTES:,} bytes; {_REMEDY}"
                )
            sink.write(chunk)
    return written
