"""`python -m fuzz`: reads mutated files of every format, and says in a table how they ended."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fuzz.formats import FORMATS, load
from fuzz.sandbox import Limits
from fuzz.target import Outcome, Result
from fuzz.workers import Job, run

REPOSITORY = Path(__file__).parents[2]
CORPUS = Path(__file__).with_name("corpus")
CASES = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options().parse_args(arguments)
    if options.cases is None and options.minutes is None:
        options.cases = CASES
    os.environ["OMP_NUM_THREADS"] = "1"
    names = options.format or list(FORMATS)
    total = sum(FORMATS[name] for name in names)
    tables = {}
    for name in names:
        share = FORMATS[name] / total
        cases = round(options.cases * share) if options.cases is not None else sys.maxsize
        seconds = options.minutes * 60 * share if options.minutes else float("inf")
        tables[name] = _fuzz(name, options, cases, seconds)
        _print_row(name, tables[name], first=name == names[0])
    if len(names) > 1:
        _print_row("all", _sum(tables.values()))
    bad = sum(table["bad"] for table in tables.values())
    for name, table in tables.items():
        for signature, count in table["signatures"].items():
            print(f"{name}: {count} x {signature}")
    if bad:
        print(f"{bad} cases ended badly; they are kept in {options.keep}")
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "formats": tables}, indent=1))
    return 1 if bad else 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fuzz",
        description="Reads mutated files of every format. Each has to be refused with an error of "
        "bitfold's own, or to give the exact result, within limits of time and memory; nothing may "
        "be written outside or executed. The corpus is read first.",
    )
    add = parser.add_argument
    add("--format", action="append", choices=list(FORMATS), help="only this one; may be repeated")
    add("--cases", type=int, help="mutated files over all formats (default 1000)")
    add("--minutes", type=float, help="as many as can be read in this time")
    add("--seed", type=int, default=0, help="another seed makes other files (default 0)")
    add("--only", type=int, help="read this one case again, and show how it ends")
    add("--workers", type=int, default=os.cpu_count(), help="processes (default: all cores)")
    add("--json", type=Path, help="also write the table as JSON")
    add("--keep", type=Path, default=REPOSITORY / ".cache" / "fuzz", help="where failures are kept")
    return parser


def _fuzz(name: str, options: argparse.Namespace, cases: int, seconds: float) -> dict:
    """The figures of one format."""
    target = load(name)
    cache = REPOSITORY / ".cache" / "tests"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}.") as folder:
        target.prepare(Path(folder) / "seeds", cache)
        only = options.only is not None
        job = Job(
            target=target,
            seed=options.seed,
            count=options.only + 1 if only else cases,
            seconds=seconds,
            first=options.only if only else 0,
            known=tuple(sorted((CORPUS / name).glob("*"))),
            limits=Limits(),
            shared=(cache,),
            keep=options.keep,
            workers=1 if only else options.workers,
        )
        start, results = time.monotonic(), []
        for result in run(job):
            results.append(result)
            if sys.stdout.isatty():
                print(f"\r{name}: {len(results)}", end="\r", flush=True)
            if only:
                print(f"{result.change}\n{result.outcome.value}: {result.said}")
    return _figures(results, time.monotonic() - start)


def _figures(results: list[Result], seconds: float) -> dict:
    bad = [result for result in results if not result.outcome.good]
    counts = Counter(result.outcome for result in results)
    slowest = max(results, key=lambda r: r.seconds, default=None)
    return {
        "cases": len(results),
        **{outcome.value: counts[outcome] for outcome in Outcome},
        "bad": len(bad),
        "slowest_seconds": round(slowest.seconds, 3) if slowest else 0,
        "peak_megabytes": round(max((r.megabytes for r in results), default=0)),
        "seconds": round(seconds, 1),
        "signatures": dict(Counter(result.signature for result in bad).most_common()),
        "failures": [result.index for result in bad],
    }


def _sum(tables) -> dict:
    tables = list(tables)
    keys = ("cases", "bad", "seconds", *(outcome.value for outcome in Outcome))
    most = {key: max(t[key] for t in tables) for key in ("slowest_seconds", "peak_megabytes")}
    return {**{key: sum(table[key] for table in tables) for key in keys}, **most}


def _print_row(name: str, table: dict, first: bool = False) -> None:
    if first:
        print(
            f"{'format':<12}{'cases':>7}{'exact':>7}{'refused':>9}{'told':>6}{'unbuilt':>9}{'untyped':>9}{'wrong':>7}"
            f"{'crashed':>9}{'hung':>6}{'outgrew':>9}{'escaped':>9}{'slowest s':>11}{'peak MB':>9}"
            f"{'s':>7}"
        )
    widths = zip(Outcome, (7, 9, 6, 9, 9, 7, 9, 6, 9, 9))
    print(
        f"{name:<12}{table['cases']:>7}"
        + "".join(f"{table[outcome.value]:>{width}}" for outcome, width in widths)
        + f"{table['slowest_seconds']:>11.2f}{table['peak_megabytes']:>9.0f}"
        + f"{table['seconds']:>7.0f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
