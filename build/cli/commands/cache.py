"""`bitfold cache`: shows what was built and kept, and removes it."""

from __future__ import annotations

import re
import time

import click

from bitfold.build.cli import console
from bitfold.models.cache import KINDS, LIMIT_BYTES, Cache

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


class _Size(click.ParamType):
    """A number of bytes such as 500M, as an integer."""

    name = "size"

    def convert(self, value, parameter, context) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,9})?)([kMG]?)B?", value)
        if not found:
            self.fail(f"{value!r} is no size; give one such as 500M or 2G", parameter, context)
        return int(float(found[1]) * UNITS[found[2]])


SIZE = _Size()


@click.option("--clear", is_flag=True, help="Remove all that no running process uses.")
@click.option(
    "--limit",
    "limit_bytes",
    type=SIZE,
    metavar="SIZE",
    help="Remove what was not used for longest until the rest takes at most SIZE, such as 500M.",
)
def cache(clear, limit_bytes) -> dict:
    """Show what was built and kept, and where.

    All of it can be made again, and is where it is missing or damaged. Whenever something is built
    and the whole takes more than 2 GB, what was not used for longest goes.

    \b
    bitfold cache
    bitfold cache --limit 500M
    bitfold cache --clear
    """
    if clear and limit_bytes is not None:
        raise click.UsageError("give --clear or --limit, not both")
    kept = Cache()
    removed = kept.shrink(0) if clear else []
    if limit_bytes is not None:
        removed = kept.shrink(limit_bytes)
    entries = kept.entries()
    kinds = [_describe(kind, [e for e in entries if e.kind == kind]) for kind in KINDS]
    description = {
        "folder": str(kept.folder),
        "limit_bytes": LIMIT_BYTES,
        "size_bytes": sum(entry.size_bytes for entry in entries),
        "removed": len(removed),
        "removed_bytes": sum(entry.size_bytes for entry in removed),
        "kinds": [kind for kind in kinds if kind["entries"]],
    }
    _show(description)
    return description


def _describe(kind: str, entries: list) -> dict:
    return {
        "kind": kind,
        "what": KINDS[kind],
        "entries": len(entries),
        "size_bytes": sum(entry.size_bytes for entry in entries),
        "last_used": max((entry.used_at for entry in entries), default=None),
    }


def _show(description: dict) -> None:
    if description["kinds"]:
        table = console.table("kind", "what", *map(console.numbers, ("entries", "MB")), "last used")
        for kind in description["kinds"]:
            used = time.strftime("%Y-%m-%d", time.localtime(kind["last_used"]))
            table.add_row(
                *(kind["kind"], kind["what"], f"{kind['entries']:,}"),
                *(f"{kind['size_bytes'] / 1e6:,.1f}", used),
            )
        console.out.print(table)
    if description["removed"]:
        console.out.print(
            f"removed: {description['removed']:,} entries, "
            f"{description['removed_bytes'] / 1e6:,.1f} MB"
        )
    console.out.print(
        f"{description['folder']}: {description['size_bytes'] / 1e6:,.1f} MB of at most "
        f"{description['limit_bytes'] / 1e6:,.0f}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


cache_command = console.command(cache)
