"""A Network as FINN's hardware layers: the integers are bitfold's, the passes FINN's own.

The graph starts from the lowered Network and not from the QONNX file, so that FINN's hardware and
ours compute the same. FINN's own lowering moves ties, and takes float32 into its first layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from bitfold.build.frontend.chain import Chain
from bitfold.build.frontend.quiet import quiet
from bitfold.models.errors import FrontendError
from bitfold.models.network import Network
from bitfold.models.ops import Dense, Threshold
from bitfold.models.ops.dense import accumulator_range
from bitfold.overlays.dataflow.design import Design
from bitfold.overlays.dataflow.fold import Fold

PART = "xc7z020clg400-1"
"""The chip of Pynq-Z1 and Pynq-Z2, as FINN names it."""

# A layer of ours in every form that it takes on the way to hardware.
_KINDS = ("MatMul", "XnorPopcountMatMul", "MultiThreshold", "MVAU", "Thresholding")


def integer_graph(network: Network) -> ModelWrapper:
    """`network` in FINN's dialect: a MatMul for each Dense, a MultiThreshold for each Threshold.

    Raises FrontendError for a network that branches, or ends in an argmax or a softmax.
    """
    source = network.input_value
    chain = Chain(source.size, source.encoding.name)
    sums, here = None, network.input
    for index, node in enumerate(network.nodes):
        if node.op.ends_network:
            raise FrontendError(
                f"{node.name}: give FINN the network of scores; compile it with --head scores"
            )
        if node.inputs != (here,) or not isinstance(node.op, (Dense, Threshold)):
            raise FrontendError(
                f"{node.name}: FINN is given chains of dense layers and thresholds, and this is a "
                f"{node.kind} of {' and '.join(node.inputs)}; bitfold's own overlays take it"
            )
        here = node.output
        encoding, output = network.values[node.input].encoding, network.values[node.output]
        if isinstance(node.op, Dense):
            weight = network.parameter(node, "weights")
            name = chain.add("MatMul", weight.values.T, output.size)
            chain.datatypes[name] = weight.encoding.name
            sums = accumulator_range(weight.values, encoding)
            continue
        # What lies below all sums is always reached, but FINN takes no negative threshold for
        # sums that are not.
        low, high = sums or (encoding.minimum, encoding.maximum)
        sums = None
        thresholds = np.clip(network.parameter(node, "thresholds").values, low, high + 1)
        behind = network.nodes[index + 1 : index + 2]
        if output.encoding.is_bipolar and not _is_xnor(network, behind):
            # FINN refuses bipolar activations but in front of bipolar weights.
            _add_thresholds(chain, thresholds, output.size, "BINARY", 1, 0)
            chain.add("Mul", 2, output.size)
            chain.add("Add", -1, output.size)
        else:
            encoding = output.encoding
            _add_thresholds(
                chain, thresholds, output.size, encoding.name, encoding.step, node.op.base
            )
    return chain.model(network.name)


def _is_xnor(network: Network, behind: Sequence) -> bool:
    """Whether bipolar activations meet bipolar weights, or nothing more."""
    return not behind or (
        isinstance(behind[0].op, Dense)
        and network.parameter(behind[0], "weights").encoding.is_bipolar
    )


def _add_thresholds(chain: Chain, values, size: int, datatype: str, scale: int, base: int) -> None:
    chain.add(
        "MultiThreshold",
        values,
        size,
        out_dtype=datatype,
        out_scale=float(scale),
        out_bias=float(base),
        data_layout="NC",
    )
    chain.datatypes[chain.tensor] = datatype


def hardware(network: Network) -> ModelWrapper:
    """`network` as FINN's hardware layers for PART, with PE and SIMD of 1.

    Thresholds are layers of their own, as they are stages here, and as FINN's RTL wants them.
    Raises FrontendError if a pass fails or leaves a layer as it was.
    """
    model = transform(integer_graph(network), _passes())
    left = [
        f"{name} as {node.op_type}"
        for name, node in layers(model, network).items()
        if not node.domain.startswith("finn.custom_op.fpgadataflow")
    ]
    if left:
        raise FrontendError(f"{network.name}: FINN's passes leave {', '.join(left)}")
    return model


def transform(
    model: ModelWrapper, passes: Sequence, heard: list[str] | None = None
) -> ModelWrapper:
    """`model` after FINN's `passes`; what its log warns of is added to `heard`.

    Raises FrontendError, with FINN's message, if a pass fails.
    """
    for transformation in passes:
        try:
            with quiet(heard):
                model = model.transform(transformation)
        except Exception as error:
            name = type(transformation).__name__
            raise FrontendError(f"FINN's pass {name} failed: {error!r}") from error
    return model


def _passes() -> list:
    """FINN's way from the dialect to hardware: steps streamline to minimize_bit_width of its build.

    Of `Streamline` only what a chain of integer layers needs (see frontend/streamlining.py).
    """
    try:
        with quiet():
            from finn.transformation.fpgadataflow.convert_to_hw import (
                binary_matrix_vector_activation,
                elementwise_binary_operation,
                quantized_matrix_vector_activation,
                thresholding,
            )
            from finn.transformation.fpgadataflow.minimize_accumulator_width import (
                MinimizeAccumulatorWidth,
            )
            from finn.transformation.fpgadataflow.minimize_weight_bit_width import (
                MinimizeWeightBitWidth,
            )
            from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
            from finn.transformation.streamline import absorb, collapse_repeated, reorder
            from finn.transformation.streamline.round_thresholds import RoundAndClipThresholds
            from qonnx.transformation.bipolar_to_xnor import ConvertBipolarMatMulToXnorPopcount
            from qonnx.transformation.general import GiveUniqueNodeNames
            from qonnx.transformation.infer_data_layouts import InferDataLayouts
            from qonnx.transformation.infer_datatypes import InferDataTypes
            from qonnx.transformation.infer_shapes import InferShapes
    except ImportError as error:
        raise FrontendError(
            f"FINN's passes can't be imported ({error}); pip install 'bitfold[compile]'"
        ) from error
    narrow = [
        MinimizeWeightBitWidth(),
        MinimizeAccumulatorWidth(),
        InferDataTypes(),
        RoundAndClipThresholds(),
        InferDataTypes(),
        MinimizeWeightBitWidth(),
        InferDataTypes(),
    ]
    return [
        InferShapes(),
        InferDataTypes(),
        ConvertBipolarMatMulToXnorPopcount(),
        reorder.MoveScalarAddPastMatMul(),
        reorder.MoveScalarMulPastMatMul(),
        reorder.MoveAddPastMul(),
        collapse_repeated.CollapseRepeatedAdd(),
        collapse_repeated.CollapseRepeatedMul(),
        absorb.AbsorbAddIntoMultiThreshold(),
        absorb.AbsorbMulIntoMultiThreshold(),
        InferDataLayouts(),
        thresholding.InferThresholdingLayer(),
        binary_matrix_vector_activation.InferBinaryMatrixVectorActivation(),
        quantized_matrix_vector_activation.InferQuantizedMatrixVectorActivation(),
        elementwise_binary_operation.InferElementwiseBinaryOperation(),
        GiveUniqueNodeNames(),
        InferDataTypes(),
        InferShapes(),
        *narrow,
        SpecializeLayers(PART),
        GiveUniqueNodeNames(),
        InferShapes(),
        InferDataTypes(),
        *narrow,
    ]


def layers(model: ModelWrapper, network: Network) -> dict[str, NodeProto]:
    """The node of `model` that each layer of `network` became.

    Raises FrontendError where FINN's passes merged or dropped layers.
    """
    nodes = [n for n in model.graph.node if _kind(n) in _KINDS]
    if len(nodes) != len(network.nodes):
        raise FrontendError(
            f"{network.name}: FINN's passes made {len(nodes)} layers of {len(network.nodes)}: "
            f"{', '.join(n.op_type for n in model.graph.node)}"
        )
    return {layer.name: node for layer, node in zip(network.nodes, nodes, strict=True)}


def _kind(node: NodeProto) -> str:
    return node.op_type.removesuffix("_hls").removesuffix("_rtl")


def folding_config(model: ModelWrapper, network: Network, overlay: Design) -> dict:
    """The folding of `overlay` as the config that FINN's ApplyConfig reads, for these nodes.

    A threshold wired behind a layer takes as many rows a cycle as that gives.
    """
    config: dict = {"Defaults": {}}
    fold = Fold(1)
    for name, node in layers(model, network).items():
        fold = overlay.folding.get(name, Fold(fold.pe))
        config[node.name] = {"PE": fold.pe}
        if _kind(node) == "MVAU":
            config[node.name]["SIMD"] = fold.simd
    return config


def read_fold(node: NodeProto) -> Fold:
    """PE and SIMD of one of FINN's hardware layers."""
    layer = getCustomOp(node)
    simd = layer.get_nodeattr("SIMD") if _kind(node) == "MVAU" else 1
    return Fold(layer.get_nodeattr("PE"), simd)
