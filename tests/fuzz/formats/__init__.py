"""The formats that are fuzzed, and their shares of the cases."""

from __future__ import annotations

import importlib

from fuzz.target import Target

FORMATS = {
    "qonnx": 30,
    "bundles": 20,
    "checkpoints": 8,
    "tables": 8,
    "foldings": 8,
    "handoffs": 8,
    "programs": 8,
    "samples": 8,
    "bnn_pynq": 8,
    "arguments": 12,
}


def load(name: str) -> Target:
    """The target of that name."""
    return importlib.import_module(f"fuzz.formats.{name}").TARGET
