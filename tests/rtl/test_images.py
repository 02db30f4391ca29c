"""The compiler's memory images hold what the modules' headers say that they read."""

import re
from dataclasses import replace

import pytest
from stored_integers import Stored, threshold_words, weight_words
from support.random_networks import random_folding, random_network, random_shape

from bitfold.build.compile.emit import dataflow_rtl
from bitfold.build.compile.lowering import lower
from bitfold.models.node import Node
from bitfold.models.ops import Dense, Threshold
from bitfold.overlays.dataflow.storage import design_images


@pytest.mark.parametrize("seed", range(12))
def test_weights_and_thresholds_lie_where_the_modules_read_them(seed):
    shape = replace(random_shape(seed), shared_thresholds=bool(seed % 2))
    network = random_network(shape, seed)
    design = lower(network, random_folding(network, seed))
    images = design_images(design)
    instances = parameters_of_instances(dataflow_rtl(network, design)["dataflow_core.sv"])
    nodes = [node for node in network.nodes if isinstance(node.op, (Dense, Threshold))]
    assert len(nodes) == len(instances) == len(images)
    for node, parameters in zip(nodes, instances):
        if isinstance(node.op, Dense):
            words = [int(word, 16) for word in images[parameters["WEIGHTS"]].split()]
            assert words == expected_weights(network, node, parameters)
        else:
            words = [int(word, 16) for word in images[parameters["THRESHOLDS"]].split()]
            expected = expected_thresholds(network, node, parameters)
            assert {address: words[address] for address in expected} == expected


def parameters_of_instances(core: str) -> list[dict]:
    """The parameters of each mvau and threshold in the generated core, in its order."""
    found = []
    for text in re.findall(r"^  (?:mvau|threshold) #\((.*?)^  \)", core, re.MULTILINE | re.DOTALL):
        pairs = re.findall(r'\.(\w+)\((?:"(.*)"|(-?\d+))\)', text)
        found.append({key: name or int(number) for key, name, number in pairs})
    return found


def expected_weights(network, node: Node, parameters: dict) -> list[int]:
    rows = network.parameter(node, "weights").values.tolist()
    assert (len(rows), len(rows[0])) == (parameters["ROWS"], parameters["COLUMNS"])
    kind = Stored(parameters["WEIGHT_ENCODING"], parameters["WEIGHT_BITS"])
    return weight_words(rows, kind, parameters["PE"], parameters["SIMD"])


def expected_thresholds(network, node: Node, parameters: dict) -> dict[int, int]:
    channels = network.parameter(node, "thresholds").values.tolist()
    count = parameters["FOLDS"] * parameters["PE"]
    assert len(channels) in (1, count)
    never = network.values[node.input].encoding.maximum + 1
    levels = (1 << parameters["BITS"]) - 1
    padded = [row + [never] * (levels - len(row)) for row in channels]
    if len(channels) == 1:
        assert parameters["FOLDS"] == 1
        padded *= count
    # Two's complement, whatever the accumulators are.
    kind = Stored(1, parameters["THRESHOLD_BITS"])
    return threshold_words(padded, parameters["PE"], parameters["BITS"], kind)
