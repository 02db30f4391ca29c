"""Checks that a Network is what it claims: names, sizes, encodings and accumulator ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bitfold.models.encoding import MAX_BITS, Encoding
from bitfold.models.errors import InputError, NetworkError
from bitfold.models.names import MAX_CHARACTERS, plain_name
from bitfold.models.softmax import FORMS, MAX_CLASSES, MAX_SHIFT, WHOLE

if TYPE_CHECKING:  # network.py calls this module
    from bitfold.models.network import Network, Node


def accumulator_range(weight: np.ndarray, source: Encoding) -> tuple[int, int]:
    """The least and the largest sum that any input within `source` can reach, over all rows."""
    weight = weight.astype(np.int64)
    positive = np.where(weight > 0, weight, 0).sum(axis=1)
    negative = np.where(weight < 0, weight, 0).sum(axis=1)
    low = source.minimum * positive + source.maximum * negative
    high = source.maximum * positive + source.minimum * negative
    return int(low.min()), int(high.max())


def verify(network: Network) -> None:
    """Raises NetworkError, naming the node, at the first thing that does not hold."""
    _check_names(network)
    tensor = _tensor(network, network.input, "the network's input")
    if int(np.prod(network.sample_shape, dtype=np.int64)) != tensor.size:
        raise NetworkError(
            f"{network.name}: samples of shape {network.sample_shape} do not have "
            f"{tensor.size} elements as input {network.input} has"
        )
    if not network.nodes:
        raise NetworkError(f"{network.name}: there are no layers")
    for name, parameter in network.parameters.items():
        _check_parameter(name, parameter)
    defined = {network.input}
    for node in network.nodes:
        source = _tensor(network, node.input, node.name)
        if node.input not in defined:
            raise NetworkError(f"{node.name}: reads {node.input} before it is made")
        if node.output in defined:
            raise NetworkError(f"{node.name}: writes {node.output} a second time")
        target = _tensor(network, node.output, node.name)
        _CHECKS[type(node).__name__](network, node, source, target)
        defined.add(node.output)
    if network.output != network.nodes[-1].output:
        raise NetworkError(
            f"{network.name}: output {network.output} is not what the last layer makes"
        )
    if network.labels and len(network.labels) < 2:
        raise NetworkError(f"{network.name}: one class name is not a classification")


def _check_names(network: Network) -> None:
    """That names are text, as models/names.py has it."""
    names = {
        "network": [network.name],
        "layer": [node.name for node in network.nodes],
        "tensor": list(network.tensors),
        "parameter": list(network.parameters),
        "class": list(network.labels),
        "note": [*network.info, *network.info.values()],
    }
    for what, found in names.items():
        for name in found:
            if not isinstance(name, str) or (what != "note" and name != plain_name(name)):
                raise NetworkError(
                    f"{what} name {repr(name)[:60]} is not one line of at most {MAX_CHARACTERS} "
                    "characters; rename it"
                )


def _tensor(network: Network, name: str, where: str):
    if name not in network.tensors:
        raise NetworkError(f"{where}: tensor {name!r} is not declared")
    return network.tensors[name]


def _parameter(network: Network, name: str, where: str) -> np.ndarray:
    if name not in network.parameters:
        raise NetworkError(f"{where}: parameter {name!r} is missing")
    return network.parameters[name].values


def _check_parameter(name: str, parameter) -> None:
    values = parameter.values
    if values.ndim != 2 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise NetworkError(
            f"{name}: parameters are integer matrices, this one is {values.dtype} {values.shape}"
        )
    try:
        parameter.encoding.check(values, name)
    except InputError as error:
        raise NetworkError(str(error)) from None


def _check_dense(network: Network, node: Node, source, target) -> None:
    weight = _parameter(network, node.weight, node.name)
    if weight.shape != (target.size, source.size):
        raise NetworkError(
            f"{node.name}: weight {node.weight} is {weight.shape[0]}x{weight.shape[1]}, but the "
            f"layer has {target.size} rows and {source.size} columns"
        )
    low, high = accumulator_range(weight, source.encoding)
    if low < target.encoding.minimum or high > target.encoding.maximum:
        fits = low >= -(2 ** (MAX_BITS - 1)) and high < 2 ** (MAX_BITS - (low < 0))
        remedy = (
            f"declare {Encoding.for_range(low, high).name}"
            if fits
            else f"sums have at most {MAX_BITS} bits: use fewer inputs, or fewer bits for weights "
            "or activations"
        )
        raise NetworkError(
            f"{node.name}: accumulators reach {low}..{high}, outside {target.encoding}; {remedy}"
        )


def _check_threshold(network: Network, node: Node, source, target) -> None:
    thresholds = _parameter(network, node.thresholds, node.name)
    if target.size != source.size or len(thresholds) not in (1, source.size):
        raise NetworkError(
            f"{node.name}: {len(thresholds)} rows of thresholds for {source.size} channels; "
            "give one row a channel, or one for all"
        )
    if (np.diff(thresholds.astype(np.int64), axis=1) < 0).any():
        raise NetworkError(f"{node.name}: thresholds {node.thresholds} do not ascend")
    last = node.base + target.encoding.step * thresholds.shape[1]
    if node.base < target.encoding.minimum or last > target.encoding.maximum:
        raise NetworkError(
            f"{node.name}: {thresholds.shape[1]} thresholds above {node.base} reach {last}, "
            f"outside {target.encoding}"
        )


def _check_argmax(network: Network, node: Node, source, target) -> None:
    if target.size != 1 or target.encoding.maximum < source.size - 1:
        raise NetworkError(
            f"{node.name}: the index of {source.size} classes is one integer up to "
            f"{source.size - 1}, but {node.output} is {target.size} of {target.encoding}"
        )
    if node is not network.nodes[-1]:
        raise NetworkError(f"{node.name}: only the last layer can choose the class")


def _check_softmax(network: Network, node: Node, source, target) -> None:
    if not 2 <= source.size <= MAX_CLASSES:
        raise NetworkError(
            f"{node.name}: softmax of {source.size} classes; it takes 2 to {MAX_CLASSES}: leave "
            "the scores to the host"
        )
    if target.size != source.size or target.encoding != Encoding.of(f"UINT{WHOLE.bit_length()}"):
        raise NetworkError(
            f"{node.name}: the shares of {source.size} classes are as many of UINT8, but "
            f"{node.output} is {target.size} of {target.encoding}"
        )
    if node.form not in FORMS:
        raise NetworkError(f"{node.name}: form {node.form!r} is unknown; known: {', '.join(FORMS)}")
    if not (256 <= node.multiplier <= 511 and 0 <= node.shift <= MAX_SHIFT):
        raise NetworkError(
            f"{node.name}: multiplier {node.multiplier} and shift {node.shift} are outside "
            f"256..511 and 0..{MAX_SHIFT}"
        )
    if node is not network.nodes[-1]:
        raise NetworkError(f"{node.name}: only the last layer can be a softmax")


_CHECKS = {
    "Dense": _check_dense,
    "Threshold": _check_threshold,
    "ArgMax": _check_argmax,
    "Softmax": _check_softmax,
}
