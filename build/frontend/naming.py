"""Gives a layer the name that it has in the model that was exported."""

from __future__ import annotations

import re

import onnx

from bitfold.models.names import MAX_CHARACTERS, plain_name

_QUOTED = re.compile(r"'([^'\\]*)'")
LONGEST = MAX_CHARACTERS - 100


def module_path(node: onnx.NodeProto, weight: str) -> str | None:
    """The path of the module that became `node`, such as `hidden.0.linear`, where it is told.

    Looked for in the scopes that torch writes beside a node, in a node name such as
    `/hidden/hidden.0/linear/MatMul`, and in the name of the initializer `weight`.
    """
    for entry in node.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            # A list of strings as Python writes it, of which the last is the operator's own.
            scopes = [scope for scope in _QUOTED.findall(entry.value)[:-1] if scope]
            if scopes:
                return scopes[-1]
    path = ""
    for scope in [part for part in node.name.split("/") if part][:-1]:
        # A member of a container repeats the container's name: hidden, then hidden.0.
        container = path.rpartition(".")[2]
        if path and scope.startswith(f"{container}."):
            path = path.removesuffix(container) + scope
        else:
            path = f"{path}.{scope}" if path else scope
    if not path and weight.endswith(".weight"):
        path = weight.removesuffix(".weight")
    return path or None


def unique(name: str, taken: set[str], suffix: str = "") -> str:
    """`name` as a network may have it, with `suffix`; where that is taken, `name_2` and so on. Then
    taken itself.

    What is made of it (`NAME.weight`) is a name as well."""
    name = plain_name(name)[:LONGEST]
    candidate, count = name + suffix, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}{suffix}"
    taken.add(candidate)
    return candidate
