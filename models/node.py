"""Node: one operation at its place in a network."""

from __future__ import annotations

from dataclasses import dataclass

from bitfold.models.ops import Op


@dataclass(frozen=True)
class Node:
    """An op, the values that it reads and makes, and its parameters, by name.

    `parameters` are in the order of the op's `roles`.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    @property
    def input(self) -> str:
        """The only value that it reads. Raises ValueError where it reads several."""
        (name,) = self.inputs
        return name

    @property
    def output(self) -> str:
        """The only value that it makes. Raises ValueError where it makes several."""
        (name,) = self.outputs
        return name

    @property
    def kind(self) -> str:
        """The name of its operation."""
        return type(self.op).__name__

    def parameter(self, role: str) -> str:
        """The name of the parameter that its op calls `role`."""
        return self.parameters[self.op.roles.index(role)]
