"""Networks on disk: network.json says the structure, network.npz holds the constants."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bitfold.models.array_files import read_npz
from bitfold.models.checked import checked
from bitfold.models.encoding import Encoding
from bitfold.models.errors import BitfoldError, NetworkError
from bitfold.models.host import HostOp
from bitfold.models.json_files import read_json
from bitfold.models.node import Node
from bitfold.models.ops import OPS, Op
from bitfold.models.value import Parameter, Value

if TYPE_CHECKING:  # network.py calls this module
    from bitfold.models.network import Network

FILE = "network.json"
FORMAT = 2
REMEDY = "compile it again"


@dataclass(frozen=True)
class ValueDocument:
    """A Value as JSON has it."""

    shape: tuple[int, ...]
    encoding: str

    @staticmethod
    def of(value: Value) -> ValueDocument:
        return ValueDocument(value.shape, value.encoding.name)

    @property
    def value(self) -> Value:
        return Value(self.shape, Encoding.of(self.encoding))


@dataclass(frozen=True)
class OpDocument:
    """An operation as JSON has it."""

    kind: str
    attributes: dict[str, object]

    @staticmethod
    def of(op: Op) -> OpDocument:
        return OpDocument(type(op).__name__, asdict(op))

    def op(self, error: type[BitfoldError], name: str) -> Op:
        """The operation. Raises `error`, which names `name`."""
        if self.kind not in OPS:
            raise error(f"{name}: operation {self.kind!r} is unknown; known: {', '.join(OPS)}")
        return checked(self.attributes, OPS[self.kind], error, name, REMEDY)


@dataclass(frozen=True)
class _NodeDocument:
    name: str
    op: OpDocument
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class _StepDocument:
    """A step of the host, and how many operands it has."""

    kind: str
    operands: int


@dataclass(frozen=True)
class _Structure:
    """What of a network decides what it computes, but for its constants."""

    sample_shape: tuple[int, ...]
    quantizer: tuple[_StepDocument, ...]
    input: str
    output: str
    values: dict[str, ValueDocument]
    parameters: dict[str, ValueDocument]
    nodes: tuple[_NodeDocument, ...]
    head: tuple[_StepDocument, ...]


@dataclass(frozen=True)
class _Document:
    format: int
    name: str
    labels: tuple[str, ...]
    info: dict[str, str]
    structure: _Structure


def write(network: Network, folder: Path) -> None:
    """Writes network.json and network.npz into an existing `folder`."""
    document = _Document(FORMAT, network.name, network.labels, network.info, _structure(network))
    np.savez_compressed(folder / "network.npz", **_parameters(network), **_operands(network))
    (folder / FILE).write_text(json.dumps(asdict(document), indent=1) + "\n")


def read(folder: Path, make: Callable[..., Network]) -> Network:
    """What `make` makes of the fields of the network that `write` wrote.

    Raises NetworkError where a file is damaged, missing or of another format.
    """
    name = f"{folder}: {FILE}"
    said = read_json(folder / FILE, NetworkError, REMEDY)
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        found = said.get("format") if isinstance(said, dict) else None
        raise NetworkError(
            f"{name}: network format {found}, but this bitfold reads {FORMAT}; {REMEDY}"
        )
    document = checked(said, _Document, NetworkError, name, REMEDY)
    arrays = _read_arrays(folder / "network.npz")
    try:
        return make(**_fields(document, arrays))
    except KeyError as error:
        raise NetworkError(f"{folder}: network.npz has no array {error}; {REMEDY}") from error
    except NetworkError as error:
        raise NetworkError(f"{folder}: {error}") from error


def structure_id(network: Network) -> str:
    """See Network."""
    operands = _operands(network)
    text = json.dumps(asdict(_structure(network)), sort_keys=True)
    return digest(text, *(operands[name].tobytes() for name in sorted(operands)))


def parameters_id(network: Network) -> str:
    """See Network."""
    arrays = _parameters(network)
    names = sorted(arrays)
    return digest(*names, *(np.ascontiguousarray(arrays[n], "<i4").tobytes() for n in names))


def digest(*parts: str | bytes) -> str:
    """128 bits, in hex, of all `parts`, told apart."""
    sha256 = hashlib.sha256()
    for part in parts:
        octets = part.encode() if isinstance(part, str) else part
        sha256.update(f"{len(octets)} ".encode() + octets)
    return sha256.hexdigest()[:32]


def _structure(network: Network) -> _Structure:
    def steps(ops: tuple[HostOp, ...]) -> tuple[_StepDocument, ...]:
        return tuple(_StepDocument(op.kind, len(op.operands)) for op in ops)

    return _Structure(
        sample_shape=network.sample_shape,
        quantizer=steps(network.quantizer),
        input=network.input,
        output=network.output,
        values={name: ValueDocument.of(value) for name, value in network.values.items()},
        parameters={
            name: ValueDocument(parameter.values.shape, parameter.encoding.name)
            for name, parameter in network.parameters.items()
        },
        nodes=tuple(
            _NodeDocument(
                node.name, OpDocument.of(node.op), node.inputs, node.outputs, node.parameters
            )
            for node in network.nodes
        ),
        head=steps(network.head),
    )


def _parameters(network: Network) -> dict[str, np.ndarray]:
    return {f"parameter/{name}": p.values for name, p in network.parameters.items()}


def _operands(network: Network) -> dict[str, np.ndarray]:
    return {
        f"{side}/{i}/{j}": np.asarray(operand, np.float32)
        for side, steps in (("quantizer", network.quantizer), ("head", network.head))
        for i, step in enumerate(steps)
        for j, operand in enumerate(step.operands)
    }


def _read_arrays(file: Path) -> dict[str, np.ndarray]:
    return read_npz(file, NetworkError, "not a readable network", REMEDY)


def _fields(document: _Document, arrays: dict[str, np.ndarray]) -> dict:
    def steps(side: str, said: tuple[_StepDocument, ...]) -> tuple[HostOp, ...]:
        return tuple(
            HostOp(step.kind, tuple(arrays[f"{side}/{i}/{j}"] for j in range(step.operands)))
            for i, step in enumerate(said)
        )

    structure = document.structure
    return {
        "name": document.name,
        "sample_shape": structure.sample_shape,
        "quantizer": steps("quantizer", structure.quantizer),
        "input": structure.input,
        "output": structure.output,
        "values": {name: said.value for name, said in structure.values.items()},
        "parameters": {
            name: Parameter(arrays[f"parameter/{name}"], Encoding.of(said.encoding))
            for name, said in structure.parameters.items()
        },
        "nodes": tuple(
            Node(
                name=said.name,
                op=said.op.op(NetworkError, said.name),
                inputs=said.inputs,
                outputs=said.outputs,
                parameters=said.parameters,
            )
            for said in structure.nodes
        ),
        "head": steps("head", structure.head),
        "labels": document.labels,
        "info": document.info,
    }
