"""What the verifier refuses: each error names the layer, or the network where none is at fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import random_inputs, random_network, random_shape
from small_network import SMALL, nodes, parameter, parameters, small_network, tensor, tensors

from bitfold.models.errors import NetworkError
from bitfold.models.network import ArgMax, Softmax, Threshold

SOFTMAX = Softmax("softmax", "scores", "shares", 369, 7)


def with_softmax(node: Softmax, encoding: str = "UINT8") -> dict:
    """What makes shares of the scores of SMALL."""
    shares = tensors(shares=tensor(2, encoding))
    return {"tensors": shares, "nodes": (*SMALL.nodes, node), "output": "shares"}


REFUSALS = {
    "a sample shape of another size": (
        {"sample_shape": (2, 2)},
        r"small: samples of shape \(2, 2\) do not have 3 elements as input x has",
    ),
    "an input that is not declared": (
        {"input": "y"},
        "the network's input: tensor 'y' is not decl",
    ),
    "no layers": ({"nodes": (), "output": "x"}, "small: there are no layers"),
    "an output that is not the last": ({"output": "sums"}, "small: output sums is not what the la"),
    "one label": ({"labels": ("this",)}, "small: one class name is not a classification"),
    "a tensor that is not declared": ({"nodes": nodes(1, input="no")}, "fc0: tensor 'no' is not"),
    "a target that is not declared": ({"nodes": nodes(1, output="no")}, "fc0: tensor 'no' is not"),
    "a tensor read too early": ({"nodes": nodes(1, input="levels")}, "fc0: reads levels before it"),
    "a tensor written twice": ({"nodes": nodes(2, output="sums")}, "act0: writes sums a second"),
    "a weight that is missing": (
        {"nodes": nodes(1, weight="w7")},
        "fc0: parameter 'w7' is missing",
    ),
    "thresholds that are missing": (
        {"nodes": nodes(2, thresholds="t7")},
        "act0: parameter 't7' is missing",
    ),
    "a weight of another shape": (
        {"parameters": parameters(w1=parameter([[1, 1, 1], [1, 1, 1]], "INT3"))},
        "fc1: weight w1 is 2x3, but the layer has 2 rows and 2 columns",
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
        {"tensors": tensors(scores=tensor(2, "INT4"))},
        r"fc1: accumulators reach -12\.\.9, outside INT4 \(-8\.\.7\); declare INT5",
    ),
    "accumulators of more than 32 bits": (
        {"parameters": parameters(w1=parameter(np.full((2, 2), 2**31 - 1), "INT32"))},
        r"fc1: accumulators reach 0\.\.12884901882, outside INT6.*at most 32 bits: use fewer",
    ),
    "accumulators that overflow below only": (
        {"tensors": tensors(sums=tensor(2, "UINT3"))},
        r"fc0: accumulators reach -3\.\.3, outside UINT3 \(0\.\.7\); declare INT3",
    ),
    "thresholds for other channels": (
        {"parameters": parameters(steps=parameter([[1], [2], [3]], "INT4"))},
        "act0: 3 rows of thresholds for 2 channels; give one row a channel, or one for all",
    ),
    "thresholds that turn back": (
        {"parameters": parameters(steps=parameter([[1, 2, 3], [1, 3, 2]], "INT4"))},
        "act0: thresholds steps do not ascend",
    ),
    "more levels than the encoding has": (
        {"tensors": tensors(levels=tensor(2, "BINARY"))},
        r"act0: 3 thresholds above 0 reach 3, outside BINARY \(0\.\.1\)",
    ),
    "a base below the encoding": (
        {"nodes": nodes(2, base=-1)},
        r"act0: 3 thresholds above -1 reach 2, outside UINT2",
    ),
    "a threshold of another width": (
        {"tensors": tensors(levels=tensor(3, "UINT2"))},
        "act0: 2 rows of thresholds for 2 channels",
    ),
    "a class too small for the classes": (
        {
            "tensors": tensors(**{"class": tensor(2, "BINARY")}),
            "nodes": (*SMALL.nodes, ArgMax("argmax", "scores", "class")),
            "output": "class",
        },
        "argmax: the index of 2 classes is one integer up to 1, but class is 2 of BINARY",
    ),
    "a class chosen in the middle": (
        {
            "tensors": tensors(**{"class": tensor(1, "UINT2"), "end": tensor(1, "UINT2")}),
            "nodes": (
                *SMALL.nodes,
                ArgMax("argmax", "scores", "class"),
                Threshold("after", "class", "end", "split", 0),
            ),
            "output": "end",
        },
        "argmax: only the last layer can choose the class",
    ),
    "a softmax of one class": (
        {
            "tensors": tensors(one=tensor(1, "INT6"), shares=tensor(1, "UINT8")),
            "parameters": parameters(w1=parameter([[3, -2]], "INT3")),
            "nodes": (*nodes(3, output="one"), replace(SOFTMAX, input="one")),
            "output": "shares",
        },
        "softmax: softmax of 1 classes; it takes 2 to 64: leave the scores to the host",
    ),
    "a softmax of 65 classes": (
        {
            "tensors": tensors(many=tensor(65, "INT6"), shares=tensor(65, "UINT8")),
            "parameters": parameters(w1=parameter([[3, -2]] * 65, "INT3")),
            "nodes": (*nodes(3, output="many"), replace(SOFTMAX, input="many")),
            "output": "shares",
        },
        "softmax: softmax of 65 classes; it takes 2 to 64: leave the scores to the host",
    ),
    "shares of another encoding": (
        with_softmax(SOFTMAX, "INT9"),
        "softmax: the shares of 2 classes are as many of UINT8, but shares is 2 of INT9",
    ),
    "a softmax of another form": (
        with_softmax(replace(SOFTMAX, form="exact")),
        "softmax: form 'exact' is unknown; known: reduced, plain",
    ),
    **{
        f"a softmax of multiplier {multiplier} and shift {shift}": (
            with_softmax(replace(SOFTMAX, multiplier=multiplier, shift=shift)),
            f"softmax: multiplier {multiplier} and shift {shift} are outside 256..511 and 0..63",
        )
        for multiplier, shift in ((255, 7), (512, 7), (369, -1), (369, 64))
    },
    "a softmax in the middle": (
        {
            **with_softmax(SOFTMAX),
            "tensors": tensors(shares=tensor(2, "UINT8"), **{"class": tensor(1, "BINARY")}),
            "nodes": (*SMALL.nodes, SOFTMAX, ArgMax("argmax", "shares", "class")),
            "output": "class",
        },
        "softmax: only the last layer can be a softmax",
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
    for name, values in network.trace(random_inputs(network, 20, seed)).items():
        network.tensors[name].encoding.check(values, name)
