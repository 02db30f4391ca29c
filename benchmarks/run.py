"""Runs the benchmarks named (or all), keeps what came out, and renders it as a table for docs/.

    python benchmarks/run.py [functional ...]

A benchmark is a file with a docstring that says what is compared, `PACKAGES` whose versions matter,
and `run() -> list[Result]`. Add it to BENCHMARKS.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from datetime import date
from pathlib import Path

from frame import machine, versions

BENCHMARKS = ("overlays", "luts", "growth", "functional", "convolutions", "rtl", "published")
RESULTS = Path(__file__).with_name("results.json")
TABLE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PREFACE = """# Benchmarks

`make bench` measures all of this again and writes this page; `python benchmarks/run.py NAME` one of
them. Each figure is the median of several runs, and what is compared took turns on one machine:
trust the ratios, not the absolute figures.
"""


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    for name in names or BENCHMARKS:
        module = importlib.import_module(name)
        print(f"{name}: {module.__doc__.splitlines()[0]}", flush=True)
        results = module.run()
        kept[name] = {
            "title": module.__doc__.splitlines()[0].rstrip("."),
            "text": "\n".join(module.__doc__.splitlines()[2:]).strip(),
            "date": date.today().isoformat(),
            "machine": {**machine(), **versions(*module.PACKAGES)},
            "results": [dataclasses.asdict(result) for result in results],
        }
        for result in results:
            print(f"  {result.what:<64} {_figure(result.value):>12} {result.unit}  {result.note}")
        print("  " + _machine(kept[name]), flush=True)
        kept = {name: kept[name] for name in BENCHMARKS if name in kept}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        TABLE.write_text(_render(kept))


def _render(kept: dict) -> str:
    parts = [PREFACE]
    for benchmark in kept.values():
        rows = [
            f"| {row['what']} | {_figure(row['value'])} {row['unit']} | {row['note']} |"
            for row in benchmark["results"]
        ]
        head = ["| what | figure | |", "|---|---:|---|"]
        text = [benchmark["text"], ""] if benchmark["text"] else []
        parts.append(
            "\n".join(
                [f"## {benchmark['title']}", "", *text, *head, *rows, "", _machine(benchmark), ""]
            )
        )
    return "\n".join(parts)


def _machine(benchmark: dict) -> str:
    said = ", ".join(f"{name} {value}" for name, value in benchmark["machine"].items() if value)
    return f"Measured on {benchmark['date']}: {said}."


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main(sys.argv[1:])
