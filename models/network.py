"""Network: a quantized network as integer layers over named tensors. Calling it is the reference.

A network maps (batch, features) integers to (batch, outputs) integers. What surrounds that in
float32 stands beside it and is done by the host: `quantizer` turns measurements into the input
integers, `head` turns the output integers into scores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from bitfold.models import host
from bitfold.models.array_files import read_npz
from bitfold.models.arrays import as_samples
from bitfold.models.encoding import Encoding
from bitfold.models.errors import InputError, NetworkError
from bitfold.models.host import HostOp
from bitfold.models.json_files import read_json
from bitfold.models.softmax import Softmax
from bitfold.models.verifier import verify

FORMAT = 1


@dataclass(frozen=True)
class Tensor:
    """`size` integers a sample, each within `encoding`."""

    size: int
    encoding: Encoding


@dataclass(frozen=True)
class Parameter:
    """Constants that one or more nodes name: weights (rows, columns) or thresholds.

    `values` is int32; two layers that name one parameter share it.
    """

    values: np.ndarray
    encoding: Encoding


@dataclass(frozen=True)
class Dense:
    """acc[r] = sum over c of weight[r, c] * x[c]; the exact sum, before any threshold."""

    name: str
    input: str
    output: str
    weight: str

    def __call__(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        # A float product runs in BLAS, tens of times faster than an integer one, and is exact
        # while every partial sum fits the mantissa.
        largest = int(np.abs(x).max(initial=0)) * int(np.abs(weight).sum(axis=1).max(initial=0))
        exact = np.float32 if largest < 2**24 else np.float64
        return (x.astype(exact) @ weight.T.astype(exact)).astype(np.int64)


@dataclass(frozen=True)
class Threshold:
    """y[c] = base + step * (how many of the channel's thresholds t have x[c] >= t).

    `thresholds` names a parameter of shape (channels, levels) or, shared by all channels,
    (1, levels), ascending; `step` is 2 where the output is bipolar, else 1.
    """

    name: str
    input: str
    output: str
    thresholds: str
    base: int

    def __call__(self, x: np.ndarray, thresholds: np.ndarray, step: int) -> np.ndarray:
        if thresholds.shape[1] < 8:  # comparing all channels at once beats a search of each
            level = np.zeros(x.shape, np.int64)
            for threshold in thresholds.T:
                level += x >= threshold
            return self.base + step * level
        level = np.empty(x.shape, np.int64)
        for channel in range(x.shape[1]):
            row = thresholds[channel if len(thresholds) > 1 else 0]
            level[:, channel] = np.searchsorted(row, x[:, channel], side="right")
        return self.base + step * level


@dataclass(frozen=True)
class ArgMax:
    """The index of the largest value; the first of equals."""

    name: str
    input: str
    output: str

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(axis=1).astype(np.int64)[:, None]


Node = Dense | Threshold | ArgMax | Softmax
NODE_TYPES = {kind.__name__: kind for kind in (Dense, Threshold, ArgMax, Softmax)}


@dataclass(frozen=True)
class Network:
    """Integer layers in topological order, checked when made: an invalid Network does not exist.

    `sample_shape` is the shape of what a user gives, without the batch; `input` and `output`
    name tensors; `labels` are the class names and `info` says where the network comes from,
    both empty where the model does not tell. Raises NetworkError.
    """

    name: str
    sample_shape: tuple[int, ...]
    quantizer: tuple[HostOp, ...]
    input: str
    output: str
    tensors: Mapping[str, Tensor]
    parameters: Mapping[str, Parameter]
    nodes: tuple[Node, ...]
    head: tuple[HostOp, ...]
    labels: tuple[str, ...] = ()
    info: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        verify(self)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Integers (batch, features) in, the exact integers (batch, outputs) int64 out."""
        return self.trace(x)[self.output]

    def trace(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Like calling the network, but gives every tensor under its name."""
        values = {self.input: self.check_input(x)}
        for node in self.nodes:
            values[node.output] = self.apply(node, values[node.input])
        return values

    def apply(self, node: Node, x: np.ndarray) -> np.ndarray:
        """What one of the nodes makes of its input, (batch, elements) int64 both."""
        if isinstance(node, Dense):
            return node(x, self.parameters[node.weight].values)
        if isinstance(node, Threshold):
            step = self.tensors[node.output].encoding.step
            return node(x, self.parameters[node.thresholds].values, step)
        return node(x)

    def check_input(self, x: np.ndarray) -> np.ndarray:
        """`x`, integers of (batch, features) or (batch, *sample_shape), as (batch, features) int64.

        Raises InputError for any other shape or dtype, and for values outside the encoding.
        """
        x = as_samples(x, self.name)
        if x.dtype.kind == "f":
            raise InputError(
                f"{self.name}: input has dtype {x.dtype}, but the integer layers take integers; "
                "quantize measurements first: network.quantize(x)"
            )
        x = self._flat(x)
        self.tensors[self.input].encoding.check(x, f"{self.name}: input {self.input}")
        return x.astype(np.int64)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Measurements (batch, *sample_shape) to the input integers (batch, features) int64.

        Integers pass as they are: they are taken for input integers already.
        Raises InputError for a wrong shape or dtype and for NaN or infinity.
        """
        given = as_samples(x, self.name)
        if given.dtype.kind in "iu":
            return self.check_input(given)
        x = self._flat(given)
        with np.errstate(over="ignore"):
            finite = np.isfinite(x.astype(np.float32))  # in which it is quantized
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise InputError(
                f"{self.name}: input is {x[where]} at sample {where[0]}, feature {where[1]}; "
                "replace or drop such samples"
            )
        return self.check_input(host.apply(self.quantizer, x).astype(np.int64))

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Output integers (batch, outputs) to the model's own float32 outputs."""
        return host.apply(self.head, outputs)

    def classes(self, outputs: np.ndarray) -> np.ndarray:
        """Output integers (batch, outputs) to class indices (batch,) int64."""
        if self.decides_class:
            return outputs[:, 0].astype(np.int64)
        return self.scores(outputs).argmax(axis=1).astype(np.int64)

    def changed_classes(self, x: np.ndarray) -> str | None:
        """Of input integers `x`: which samples' class a plain softmax changes, in words; None if it
        changes none, or there is none."""
        last = self.nodes[-1]
        if not isinstance(last, Softmax) or last.form != "plain":
            return None
        scores = self.trace(x)[last.input]
        changed = last.changed(scores)
        if not len(changed):
            return None
        return (
            f"{last.name}: its plain form changes the class of {len(changed)} of {len(x)} samples: "
            f"{', '.join(map(str, changed))}; {len(last.outside(scores))} have scores beyond "
            "-1..1; take the range-reduced softmax"
        )

    @property
    def decides_class(self) -> bool:
        """Whether the output is the class index itself (the network ends in an ArgMax)."""
        return isinstance(self.nodes[-1], ArgMax)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights, as stored; a shared layer counts once."""
        shared = {node.weight for node in self.nodes if isinstance(node, Dense)}
        return sum(
            self.parameters[name].values.size * self.parameters[name].encoding.bits
            for name in sorted(shared)
        )

    @cached_property
    def id(self) -> str:
        """128 bits, in hex, of all that decides what is computed: its name and notes do not."""
        document, arrays = self._to_document()
        for note in ("name", "labels", "info"):
            del document[note]
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
        for key in sorted(arrays):
            digest.update(f"{key} {arrays[key].dtype} {arrays[key].shape}".encode())
            digest.update(np.ascontiguousarray(arrays[key]).tobytes())
        return digest.hexdigest()[:32]

    def save(self, folder: Path) -> None:
        """Writes network.json and network.npz into an existing `folder`."""
        document, arrays = self._to_document()
        np.savez_compressed(Path(folder) / "network.npz", **arrays)
        (Path(folder) / "network.json").write_text(json.dumps(document, indent=1) + "\n")

    @staticmethod
    def load(folder: Path) -> Network:
        """The network that `save` wrote. Raises NetworkError where a file is damaged or missing."""
        remedy = "compile it again"
        document = read_json(Path(folder) / "network.json", NetworkError, remedy)
        arrays = read_npz(
            Path(folder) / "network.npz", NetworkError, "not a readable network", remedy
        )
        try:
            return Network._from_document(document, arrays)
        except NetworkError:
            raise
        except Exception as error:  # a field of any type, in the place of any other
            raise NetworkError(
                f"{folder}: not a readable network ({error!r:.200}); compile it again"
            ) from error

    def _flat(self, x: np.ndarray) -> np.ndarray:
        features = self.tensors[self.input].size
        if x.ndim < 2 or x.shape[1:] not in ((features,), self.sample_shape):
            raise InputError(
                f"{self.name}: input has shape {x.shape}; expected (batch, {features})"
                + (f" or (batch, {', '.join(map(str, self.sample_shape))})")
                * (self.sample_shape != (features,))
            )
        return x.reshape(len(x), features)

    def _to_document(self) -> tuple[dict, dict[str, np.ndarray]]:
        arrays = {f"parameter/{name}": p.values for name, p in self.parameters.items()}

        def steps(side: str, ops: tuple[HostOp, ...]) -> list:
            for i, op in enumerate(ops):
                for j, operand in enumerate(op.operands):
                    arrays[f"{side}/{i}/{j}"] = np.asarray(operand, np.float32)
            return [[op.kind, len(op.operands)] for op in ops]

        document = {
            "format": FORMAT,
            "name": self.name,
            "sample_shape": list(self.sample_shape),
            "quantizer": steps("quantizer", self.quantizer),
            "input": self.input,
            "output": self.output,
            "tensors": {n: [t.size, t.encoding.name] for n, t in self.tensors.items()},
            "parameters": {n: p.encoding.name for n, p in self.parameters.items()},
            "nodes": [{"kind": type(node).__name__, **vars(node)} for node in self.nodes],
            "head": steps("head", self.head),
            "labels": list(self.labels),
            "info": dict(self.info),
        }
        return document, arrays

    @staticmethod
    def _from_document(document: dict, arrays: dict[str, np.ndarray]) -> Network:
        if document["format"] != FORMAT:
            raise NetworkError(
                f"network format {document['format']} is not {FORMAT}; compile it again"
            )

        def steps(side: str) -> tuple[HostOp, ...]:
            return tuple(
                HostOp(kind, tuple(arrays[f"{side}/{i}/{j}"] for j in range(count)))
                for i, (kind, count) in enumerate(document[side])
            )

        def node(fields: dict) -> Node:
            return NODE_TYPES[fields["kind"]](**{k: v for k, v in fields.items() if k != "kind"})

        return Network(
            name=document["name"],
            sample_shape=tuple(document["sample_shape"]),
            quantizer=steps("quantizer"),
            input=document["input"],
            output=document["output"],
            tensors={
                name: Tensor(size, Encoding.of(encoding))
                for name, (size, encoding) in document["tensors"].items()
            },
            parameters={
                name: Parameter(arrays[f"parameter/{name}"], Encoding.of(encoding))
                for name, encoding in document["parameters"].items()
            },
            nodes=tuple(node(fields) for fields in document["nodes"]),
            head=steps("head"),
            labels=tuple(document["labels"]),
            info=document["info"],
        )
