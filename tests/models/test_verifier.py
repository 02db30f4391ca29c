"""What the verifier refuses: each error names the layer, or the network where none is at fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.random_networks import random_inputs, random_network, random_shape
from support.small_network import SMALL, nodes, parameter, parameters, small_network, value, values

from bitfold.models.encoding import Encoding
from bitfold.models.errors import NetworkError
from bitfold.models.host import HostOp
from bitfold.models.node import Node
from bitfold.models.ops import Add, ArgMax, Dense, Softmax, Threshold
from bitfold.models.value import Value

SOFTMAX = Node("softmax", Softmax(369, 7), ("scores",), ("shares",))


def with_softmax(node: Node, encoding: str = "UINT8") -> dict:
    """What makes shares of the scores of SMALL."""
    shares = values(shares=value(2, encoding))
    return {"values": shares, "nodes": (*SMALL.nodes, node), "output": "shares"}


REFUSALS = {
    "a sample shape of another size": (
        {"sample_shape": (2, 2)},
        r"small: samples of shape \(2, 2\) become 4 elements, but input x has 3",
    ),
    "a step of the host of another size": (
        {"head": (HostOp("MatMul", (np.ones((3, 4), np.float32),)),)},
        r"small, behind: host step MatMul 3 x 4 has operands of \(3, 4\), which do not fit 2 feat",
    ),
    "a quantizer that makes another size": (
        {"quantizer": (HostOp("MatMul", (np.ones((3, 4), np.float32),)),)},
        r"small: samples of shape \(3,\) become 4 elements, but input x has 3",
    ),
    "an input that is not declared": (
        {"input": "y"},
        "the network's input: value 'y' is not declared",
    ),
    "no layers": ({"nodes": (), "output": "x"}, "small: there are no layers"),
    "an output in the middle": (
        {"output": "sums"},
        "small: value scores is never used; leave it out, and what makes it",
    ),
    "an output that nothing makes": (
        {"output": "x"},
        "small: output x is not what any layer makes",
    ),
    "one label": ({"labels": ("this",)}, "small: one class name is not a classification"),
    "a value that is not declared": (
        {"nodes": nodes(1, inputs=("no",))},
        "fc0: value 'no' is not declared",
    ),
    "a target that is not declared": (
        {"nodes": nodes(1, outputs=("no",))},
        "fc0: value 'no' is not declared",
    ),
    "a value read too early": (
        {"nodes": nodes(1, inputs=("levels",))},
        "fc0: reads levels before it is made",
    ),
    "a value made twice": (
        {"nodes": nodes(2, outputs=("sums",))},
        "small: 2 values are called sums; give each a name of its own",
    ),
    "a node that makes the input": (
        {"nodes": nodes(0, outputs=("x",))},
        "small: 2 values are called x; give each a name of its own",
    ),
    "two nodes of one name": (
        {"nodes": nodes(3, name="fc0")},
        "small: 2 nodes are called fc0; give each a name of its own",
    ),
    "a node that leads nowhere": (
        {
            "values": values(aside=value(2, "INT3")),
            "nodes": (*SMALL.nodes, Node("aside", Dense(), ("signs",), ("aside",), ("w0",))),
        },
        "small: value aside is never used; leave it out, and what makes it",
    ),
    "a value that nothing makes": (
        {"values": values(spare=value(2, "INT3"))},
        "small: value spare is never used; leave it out",
    ),
    "a parameter that nothing takes": (
        {"parameters": parameters(spare=parameter([[1]], "INT3"))},
        "small: parameter spare is never used; leave it out",
    ),
    "a value without elements": (
        {"values": values(sums=Value((2, 0), Encoding.of("INT3")))},
        r"fc0: sums has shape \(2, 0\); each axis is 1 or more",
    ),
    "a layer of two inputs": (
        {"nodes": nodes(1, inputs=("signs", "signs"))},
        "fc0: Dense reads 1 values, not 2",
    ),
    "a sum of one input": (
        {"nodes": nodes(2, op=Add(), parameters=())},
        "act0: Add reads 2 or more values, not 1",
    ),
    "a layer of two outputs": (
        {"nodes": nodes(1, outputs=("sums", "levels"))},
        "small: 2 values are called levels",
    ),
    "a layer without weights": (
        {"nodes": nodes(1, parameters=())},
        r"fc0: Dense takes 1 parameters \(weights\), not 0",
    ),
    "a sum with weights": (
        {"nodes": nodes(1, op=Add(), inputs=("signs", "signs"))},
        r"fc0: Add takes 0 parameters \(none\), not 1",
    ),
    "a weight that is missing": (
        {"nodes": nodes(1, parameters=("w7",))},
        "fc0: parameter 'w7' is missing",
    ),
    "thresholds that are missing": (
        {"nodes": nodes(2, parameters=("t7",))},
        "act0: parameter 't7' is missing",
    ),
    "a weight of another shape": (
        {"parameters": parameters(w1=parameter([[1, 1, 1], [1, 1, 1]], "INT3"))},
        "fc1: its weights are 2x3, but its input has 2 elements",
    ),
    "a weight of more rows": (
        {"parameters": parameters(w1=parameter([[1, 1], [1, 1], [1, 1]], "INT3"))},
        r"fc1: scores is declared as 2 of INT6 .*, but Dense makes 3 of UINT3 \(0\.\.7\)",
    ),
    "a weight outside its encoding": (
        {"parameters": parameters(w1=parameter([[3, 4], [0, 1]], "INT3"))},
        r"w1: value 4 at index \(0, 1\) is outside INT3 \(-4\.\.3\)",
    ),
    "a zero in bipolar weights": (
        {"parameters": parameters(w0=parameter([[1, 0, 1], [1, 1, 1]], "BIPOLAR"))},
        r"w0: value 0 at index \(0, 1\) is outside BIPOLAR",
    ),
    "a parameter of floats": (
        {"parameters": parameters(w1=parameter([[1, 1], [1, 1]], "INT3", np.float32))},
        r"w1: parameters are integer matrices, this one is float32 \(2, 2\)",
    ),
    "a parameter that is no matrix": (
        {"parameters": parameters(steps=parameter([1, 2], "INT4"))},
        r"steps: parameters are integer matrices, this one is int32 \(2,\)",
    ),
    "accumulators that overflow": (
        {"values": values(scores=value(2, "INT4"))},
        r"fc1: scores is declared as 2 of INT4 \(-8\.\.7\), but Dense makes 2 of INT5 "
        r"\(-16\.\.15\), with values of -12\.\.9",
    ),
    "accumulators of more than 32 bits": (
        {"parameters": parameters(w1=parameter(np.full((2, 2), 2**31 - 1), "INT32"))},
        r"fc1: it reaches 0\.\.12884901882, but an integer has at most 32 bits: use fewer inputs",
    ),
    "accumulators that overflow below only": (
        {"values": values(sums=value(2, "UINT3"))},
        r"fc0: sums is declared as 2 of UINT3 \(0\.\.7\), but Dense makes 2 of INT3 \(-4\.\.3\), "
        r"with values of -3\.\.3",
    ),
    "thresholds for other channels": (
        {"parameters": parameters(steps=parameter([[1], [2], [3]], "INT4"))},
        "act0: 3 rows of thresholds for 2 channels; give one row a channel, or one for all",
    ),
    "thresholds that turn back": (
        {"parameters": parameters(steps=parameter([[1, 2, 3], [1, 3, 2]], "INT4"))},
        "act0: its thresholds do not ascend",
    ),
    "a step of two between three levels": (
        {"nodes": nodes(2, op=Threshold(-1, 2))},
        "act0: step 2 from -1 with 3 thresholds; "
        r"the step is 1, or 2 from -1 with one threshold \(bipolar\)",
    ),
    "more levels than the encoding has": (
        {"values": values(levels=value(2, "BINARY"))},
        r"act0: levels is declared as 2 of BINARY \(0\.\.1\), but Threshold makes 2 of UINT2 "
        r"\(0\.\.3\), with values of 0\.\.3$",
    ),
    "a base below the encoding": (
        {"nodes": nodes(2, op=Threshold(-1))},
        r"act0: levels is declared as 2 of UINT2 \(0\.\.3\), but Threshold makes 2 of INT3 "
        r"\(-4\.\.3\), with values of -1\.\.2$",
    ),
    "a threshold of another width": (
        {"values": values(levels=value(3, "UINT2"))},
        "act0: levels is declared as 3 of UINT2 .*, but Threshold makes 2 of UINT2",
    ),
    "a class too small for the classes": (
        {
            "values": values(**{"class": value(2, "BINARY")}),
            "nodes": (*SMALL.nodes, Node("argmax", ArgMax(), ("scores",), ("class",))),
            "output": "class",
        },
        "argmax: class is declared as 2 of BINARY .*, but ArgMax makes 1 of BINARY",
    ),
    "a class chosen in the middle": (
        {
            "values": values(**{"class": value(1, "UINT2"), "end": value(1, "UINT2")}),
            "nodes": (
                *SMALL.nodes,
                Node("argmax", ArgMax(), ("scores",), ("class",)),
                Node("after", Threshold(0), ("class",), ("end",), ("split",)),
            ),
            "output": "end",
        },
        "argmax: only the last layer can be ArgMax",
    ),
    "a softmax of one class": (
        {
            "values": values(one=value(1, "INT6"), shares=value(1, "UINT8")),
            "parameters": parameters(w1=parameter([[3, -2]], "INT3")),
            "nodes": (*nodes(3, outputs=("one",)), replace(SOFTMAX, inputs=("one",))),
            "output": "shares",
        },
        "softmax: softmax of 1 classes; it takes 2 to 64: leave the scores to the host",
    ),
    "a softmax of 65 classes": (
        {
            "values": values(many=value(65, "INT6"), shares=value(65, "UINT8")),
            "parameters": parameters(w1=parameter([[3, -2]] * 65, "INT3")),
            "nodes": (*nodes(3, outputs=("many",)), replace(SOFTMAX, inputs=("many",))),
            "output": "shares",
        },
        "softmax: softmax of 65 classes; it takes 2 to 64: leave the scores to the host",
    ),
    "shares of another encoding": (
        with_softmax(SOFTMAX, "INT9"),
        "softmax: shares is declared as 2 of INT9 .*, but Softmax makes 2 of UINT8",
    ),
    "a softmax of another form": (
        with_softmax(replace(SOFTMAX, op=Softmax(369, 7, "exact"))),
        "softmax: form 'exact' is unknown; known: reduced, plain",
    ),
    **{
        f"a softmax of multiplier {multiplier} and shift {shift}": (
            with_softmax(replace(SOFTMAX, op=Softmax(multiplier, shift))),
            f"softmax: multiplier {multiplier} and shift {shift} are outside 256..511 and 0..63",
        )
        for multiplier, shift in ((255, 7), (512, 7), (369, -1), (369, 64))
    },
    "a softmax in the middle": (
        {
            **with_softmax(SOFTMAX),
            "values": values(shares=value(2, "UINT8"), **{"class": value(1, "BINARY")}),
            "nodes": (*SMALL.nodes, SOFTMAX, Node("argmax", ArgMax(), ("shares",), ("class",))),
            "output": "class",
        },
        "softmax: only the last layer can be Softmax",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSALS.values(), ids=REFUSALS)
def test_the_verifier_refuses(changes, message):
    with pytest.raises(NetworkError, match=f"^{message}"):
        small_network(**changes)


@settings(deadline=None)
@given(shape=st.integers(0, 2**32 - 1), seed=st.integers(0, 2**32 - 1))
def test_no_input_leaves_the_encodings_that_the_verifier_accepts(shape, seed):
    network = random_network(random_shape(shape), seed)
    for name, integers in network.trace(random_inputs(network, 20, seed)).items():
        network.values[name].encoding.check(integers, name)
