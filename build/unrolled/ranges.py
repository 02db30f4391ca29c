"""Ranges: what each element of each tensor can be at all, so that no bit is spent on the rest."""

from __future__ import annotations

import numpy as np

from bitfold.models.network import Dense, Network, Threshold

Range = tuple[np.ndarray, np.ndarray]
"""The least and the greatest value of each element, (elements,) int64 both."""


def ranges(network: Network) -> dict[str, Range]:
    """By interval arithmetic from the input's encoding on, for every tensor but a class."""
    tensor = network.tensors[network.input]
    known = {
        network.input: (
            np.full(tensor.size, tensor.encoding.minimum, np.int64),
            np.full(tensor.size, tensor.encoding.maximum, np.int64),
        )
    }
    for node in network.nodes:
        if isinstance(node, Dense):
            known[node.output] = sums_range(
                network.parameters[node.weight].values, known[node.input]
            )
        elif isinstance(node, Threshold):  # which never gives less for more
            low, high = (network.apply(node, end[None])[0] for end in known[node.input])
            known[node.output] = (low, high)
    return known


def sums_range(weights: np.ndarray, x: Range) -> Range:
    """The range of weights (rows, columns) times x."""
    positive, negative = np.maximum(weights, 0).astype(np.int64), np.minimum(weights, 0)
    low, high = x
    return positive @ low + negative @ high, positive @ high + negative @ low
