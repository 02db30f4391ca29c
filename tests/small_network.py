"""A small network for tests, and ways to change a part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitfold.models.encoding import Encoding
from bitfold.models.host import HostOp
from bitfold.models.network import Dense, Network, Parameter, Tensor, Threshold


def small_network(**changes) -> Network:
    """3 integers, a threshold, a bipolar layer with its thresholds, a layer of scores."""
    parts = {
        "name": "small",
        "sample_shape": (3,),
        "quantizer": (HostOp("Quant", tuple(np.float32([0.25, 0, 0, 15]))),),
        "input": "x",
        "output": "scores",
        "tensors": {
            "x": Tensor(3, Encoding.of("UINT4")),
            "signs": Tensor(3, Encoding.of("BIPOLAR")),
            "sums": Tensor(2, Encoding.of("INT3")),
            "levels": Tensor(2, Encoding.of("UINT2")),
            "scores": Tensor(2, Encoding.of("INT6")),
        },
        "parameters": {
            "split": Parameter(np.array([[8]], np.int32), Encoding.of("UINT4")),
            "w0": Parameter(np.array([[1, -1, 1], [-1, -1, 1]], np.int32), Encoding.of("BIPOLAR")),
            "steps": Parameter(np.array([[-1, 1, 3], [-3, 0, 4]], np.int32), Encoding.of("INT4")),
            "w1": Parameter(np.array([[3, -2], [-4, 1]], np.int32), Encoding.of("INT3")),
        },
        "nodes": (
            Threshold("binarize", "x", "signs", "split", -1),
            Dense("fc0", "signs", "sums", "w0"),
            Threshold("act0", "sums", "levels", "steps", 0),
            Dense("fc1", "levels", "scores", "w1"),
        ),
        "head": (HostOp("Mul", (np.float32(0.5),)), HostOp("Add", (np.float32([0.25, 3]),))),
        "labels": ("this", "that"),
        "info": {"source": "by hand"},
    }
    return Network(**{**parts, **changes})


SMALL = small_network()


def tensors(**changes) -> dict:
    return {**SMALL.tensors, **changes}


def parameters(**changes) -> dict:
    return {**SMALL.parameters, **changes}


def nodes(index: int, **changes) -> tuple:
    changed = list(SMALL.nodes)
    changed[index] = replace(changed[index], **changes)
    return tuple(changed)


def tensor(size: int, name: str) -> Tensor:
    return Tensor(size, Encoding.of(name))


def parameter(rows: list, name: str, dtype=np.int32) -> Parameter:
    return Parameter(np.array(rows, dtype), Encoding.of(name))
