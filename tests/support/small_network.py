"""A small network for tests, and ways to change a part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.host import HostOp
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Dense, Threshold
from bitfold.models.value import Parameter, Value


def small_network(**changes) -> Network:
    """3 integers, a threshold, a bipolar layer with its thresholds, a layer of scores."""
    parts = {
        "name": "small",
        "sample_shape": (3,),
        "quantizer": (HostOp("Quant", tuple(np.float32([0.25, 0, 0, 15]))),),
        "input": "x",
        "output": "scores",
        "values": {
            "x": Value((3,), Encoding.of("UINT4")),
            "signs": Value((3,), Encoding.of("BIPOLAR")),
            "sums": Value((2,), Encoding.of("INT3")),
            "levels": Value((2,), Encoding.of("UINT2")),
            "scores": Value((2,), Encoding.of("INT6")),
        },
        "parameters": {
            "split": Parameter(np.array([[8]], np.int32), Encoding.of("UINT4")),
            "w0": Parameter(np.array([[1, -1, 1], [-1, -1, 1]], np.int32), Encoding.of("BIPOLAR")),
            "steps": Parameter(np.array([[-1, 1, 3], [-3, 0, 4]], np.int32), Encoding.of("INT4")),
            "w1": Parameter(np.array([[3, -2], [-4, 1]], np.int32), Encoding.of("INT3")),
        },
        "nodes": (
            Node("binarize", Threshold(-1, 2), ("x",), ("signs",), ("split",)),
            Node("fc0", Dense(), ("signs",), ("sums",), ("w0",)),
            Node("act0", Threshold(0), ("sums",), ("levels",), ("steps",)),
            Node("fc1", Dense(), ("levels",), ("scores",), ("w1",)),
        ),
        "head": (HostOp("Mul", (np.float32(0.5),)), HostOp("Add", (np.float32([0.25, 3]),))),
        "labels": ("this", "that"),
        "info": {"source": "by hand"},
    }
    return Network(**{**parts, **changes})


SMALL = small_network()


def values(**changes) -> dict:
    return {**SMALL.values, **changes}


def parameters(**changes) -> dict:
    return {**SMALL.parameters, **changes}


def nodes(index: int, **changes) -> tuple:
    changed = list(SMALL.nodes)
    changed[index] = replace(changed[index], **changes)
    return tuple(changed)


def value(size: int, name: str) -> Value:
    return Value((size,), Encoding.of(name))


def parameter(rows: list, name: str, dtype=np.int32) -> Parameter:
    return Parameter(np.array(rows, dtype), Encoding.of(name))
