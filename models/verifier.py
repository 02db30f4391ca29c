"""Checks that a Network is what it claims: a graph of named values that its operations make."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from bitfold.models.errors import InputError, NetworkError
from bitfold.models.host import HostOp, features_behind
from bitfold.models.names import MAX_CHARACTERS, plain_name
from bitfold.models.value import Parameter, Value

if TYPE_CHECKING:  # network.py calls this module
    from bitfold.models.network import Network
    from bitfold.models.node import Node


def verify(network: Network) -> None:
    """Raises NetworkError, naming the node, at the first thing that does not hold."""
    _check_names(network)
    source = _value(network, network.input, "the network's input")
    made = _features_behind(network, "in front", network.quantizer, prod(network.sample_shape))
    if made != source.size:
        raise NetworkError(
            f"{network.name}: samples of shape {network.sample_shape} become {made} elements, but "
            f"input {network.input} has {source.size}"
        )
    if not network.nodes:
        raise NetworkError(f"{network.name}: there are no layers")
    for name, parameter in network.parameters.items():
        _check_parameter(name, parameter)
    _check_makers(network)
    defined = {network.input}
    for node in network.nodes:
        for name in node.inputs:
            _value(network, name, node.name)
            if name not in defined:
                raise NetworkError(f"{node.name}: reads {name} before it is made")
        _check_node(network, node)
        defined.update(node.outputs)
    if network.output not in {name for node in network.nodes for name in node.outputs}:
        raise NetworkError(f"{network.name}: output {network.output} is not what any layer makes")
    _check_uses(network)
    _features_behind(network, "behind", network.head, network.output_value.size)
    if network.labels and len(network.labels) < 2:
        raise NetworkError(f"{network.name}: one class name is not a classification")


def _features_behind(network: Network, where: str, steps: tuple[HostOp, ...], features: int) -> int:
    try:
        return features_behind(steps, features)
    except NetworkError as error:
        raise NetworkError(f"{network.name}, {where}: {error}") from None


def _check_names(network: Network) -> None:
    """That names are text, as models/names.py has it."""
    names = {
        "network": [network.name],
        "layer": [node.name for node in network.nodes],
        "value": list(network.values),
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


def _check_makers(network: Network) -> None:
    """Each node has a name of its own, and each value one maker."""
    makers = [network.input, *(name for node in network.nodes for name in node.outputs)]
    for what, names in (("node", [node.name for node in network.nodes]), ("value", makers)):
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise NetworkError(
                f"{network.name}: {count} {what}s are called {name}; give each a name of its own"
            )


def _check_node(network: Network, node: Node) -> None:
    wanted = node.op.inputs
    if len(node.inputs) != wanted if wanted else len(node.inputs) < 2:
        raise NetworkError(
            f"{node.name}: {node.kind} reads {wanted or '2 or more'} values, not {len(node.inputs)}"
        )
    if len(node.parameters) != len(node.op.roles):
        raise NetworkError(
            f"{node.name}: {node.kind} takes {len(node.op.roles)} parameters "
            f"({', '.join(node.op.roles) or 'none'}), not {len(node.parameters)}"
        )
    for name in node.parameters:
        if name not in network.parameters:
            raise NetworkError(f"{node.name}: parameter {name!r} is missing")
    inputs = [network.values[name] for name in node.inputs]
    declared = [_value(network, name, node.name) for name in node.outputs]
    parameters = [network.parameters[name] for name in node.parameters]
    try:
        made = node.op.infer(inputs, parameters)
    except NetworkError as error:
        raise NetworkError(f"{node.name}: {error}") from None
    ranges = node.op.reach(inputs, parameters)
    if len(made) != len(declared):
        raise NetworkError(
            f"{node.name}: {node.kind} makes {len(made)} values, not {len(declared)}"
        )
    for name, is_, said, within in zip(node.outputs, made, declared, ranges):
        low, high = within.ends
        bipolar_alike = is_.encoding.is_bipolar or not said.encoding.is_bipolar
        holds = said.encoding.minimum <= low and high <= said.encoding.maximum and bipolar_alike
        if is_.shape != said.shape or not (holds if node.op.may_widen else is_ == said):
            raise NetworkError(
                f"{node.name}: {name} is declared as {said}, but {node.kind} makes {is_}, with "
                f"values of {low}..{high}"
            )
    if node.op.ends_network and node.outputs != (network.output,):
        raise NetworkError(f"{node.name}: only the last layer can be {node.kind}")


def _check_uses(network: Network) -> None:
    """Nothing is declared or made in vain."""
    read = {network.output, *(name for node in network.nodes for name in node.inputs)}
    given = {name for node in network.nodes for name in node.parameters}
    for what, unused in (
        ("value", sorted(set(network.values) - read)),
        ("parameter", sorted(set(network.parameters) - given)),
    ):
        if unused:
            raise NetworkError(
                f"{network.name}: {what} {unused[0]} is never used; leave it out, and what makes it"
            )


def _value(network: Network, name: str, where: str) -> Value:
    if name not in network.values:
        raise NetworkError(f"{where}: value {name!r} is not declared")
    value = network.values[name]
    if not value.shape or min(value.shape) < 1:
        raise NetworkError(f"{where}: {name} has shape {value.shape}; each axis is 1 or more")
    return value


def _check_parameter(name: str, parameter: Parameter) -> None:
    values = parameter.values
    if values.ndim < 2 or not values.size or not np.issubdtype(values.dtype, np.integer):
        raise NetworkError(
            f"{name}: parameters are integer matrices, this one is {values.dtype} {values.shape}"
        )
    try:
        parameter.encoding.check(values, name)
    except InputError as error:
        raise NetworkError(str(error)) from None
