"""Fifty ways in which an entry of the cache can be damaged."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from bitfold.models.cache import RECORD


def damages(entry: Path, seed: int = 0) -> dict[str, Callable[[], None]]:
    """By its name what does each damage to the whole `entry`; some do it to its largest file."""
    file = max((f for f in entry.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content, draw = file.read_bytes(), random.Random(seed)
    record = entry / RECORD

    def replaced(path: Path, by: Callable[[], object]) -> Callable[[], None]:
        def damage() -> None:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            by()

        return damage

    def flipped() -> bytes:
        at = draw.randrange(len(content))
        return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]

    def swapped() -> None:
        other = entry.with_name("another")
        shutil.copytree(entry, other)
        (other / file.relative_to(entry)).write_bytes(b"of another")
        shutil.rmtree(entry)
        other.rename(entry)

    def of_another() -> None:
        """All is as the record says, which is another's."""
        record.write_text(record.read_text().replace(entry.name, "another", 1))

    ways: dict[str, Callable[[], object]] = {
        f"truncated {number}": lambda: file.write_bytes(content[: draw.randrange(len(content))])
        for number in range(15)
    }
    ways |= {f"a bit flipped {n}": lambda: file.write_bytes(flipped()) for n in range(10)}
    ways |= {
        "emptied": lambda: file.write_bytes(b""),
        "garbage": lambda: file.write_bytes(draw.randbytes(5000)),
        "zeros": lambda: file.write_bytes(bytes(len(content))),
        "longer": lambda: file.write_bytes(content + b"\0"),
        "twice": lambda: file.write_bytes(content * 2),
        "gone": file.unlink,
        "unreadable": lambda: file.chmod(0),
        "a folder for the file": replaced(file, file.mkdir),
        "a pipe for the file": replaced(file, lambda: os.mkfifo(file)),
        "a link to nothing": replaced(file, lambda: file.symlink_to("nothing")),
        "a link to itself": replaced(file, lambda: file.symlink_to(file.name)),
        "a link to a device": replaced(file, lambda: file.symlink_to("/dev/zero")),
        "one more file": lambda: (entry / "more").write_text("more"),
        "swapped": swapped,
        "another's record": of_another,
        "no record": record.unlink,
        "an empty record": lambda: record.write_text(""),
        "half a record": lambda: record.write_text(record.read_text()[:30]),
        "a record of nothing": lambda: record.write_text("{}"),
        "a record of files that are none": lambda: record.write_text('{"files": 3}'),
        "a deep record": lambda: record.write_text("[" * 100_000),
        "a record of bytes": lambda: record.write_bytes(b"\xff\xfe\0"),
        "a pipe for the record": replaced(record, lambda: os.mkfifo(record)),
        "a folder for the record": replaced(record, record.mkdir),
        "all gone": lambda: shutil.rmtree(entry),
        "an empty folder": replaced(entry, entry.mkdir),
        "a file for the folder": replaced(entry, lambda: entry.write_bytes(content)),
        "a link for the folder": replaced(entry, lambda: entry.symlink_to("nowhere")),
        "a closed folder": lambda: entry.chmod(0),
    }
    return ways


NUMBER = 54
