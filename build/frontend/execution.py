"""Executes one ONNX or QONNX node on NumPy arrays, with the arithmetic of qonnx's executor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import onnx
import onnxruntime
from onnx import helper
from qonnx.core.execute_custom_node import execute_custom_node
from qonnx.custom_op.registry import is_custom_op

# What qonnx takes for a domain that a file uses but does not import.
_DEFAULT_VERSIONS = {"": 11}
# A single node needs nothing newer, and every onnxruntime since 1.10 loads it.
_IR_VERSION = 8


class NodeRunner:
    """One node, ready to be executed any number of times.

    qonnx's own `execute_node` opens an onnxruntime session for every call; thresholds are found
    in hundreds of calls, so here the session is kept.
    """

    def __init__(self, node: onnx.NodeProto, versions: Mapping[str, int]):
        self.node = node
        self._version = versions.get(node.domain, _DEFAULT_VERSIONS.get(node.domain, 1))

    def __call__(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs of the node by name; `values` holds at least its inputs."""
        inputs = {name: np.asarray(values[name]) for name in self.node.input if name}
        if self._is_custom:
            with np.errstate(all="ignore"):
                execute_custom_node(self.node, inputs, None, self._version)
            return {name: inputs[name] for name in self.node.output}
        if self._session is None:
            self._open(inputs)
        outputs = [name for name in self.node.output if name]
        return dict(zip(outputs, self._session.run(outputs, inputs), strict=True))

    _session: onnxruntime.InferenceSession | None = None

    @cached_property
    def _is_custom(self) -> bool:
        return is_custom_op(self.node.domain, self.node.op_type)

    def _open(self, inputs: Mapping[str, np.ndarray]) -> None:
        def typed(name: str) -> onnx.ValueInfoProto:
            dtype = helper.np_dtype_to_tensor_dtype(inputs[name].dtype)
            return helper.make_tensor_value_info(name, dtype, None)

        graph = helper.make_graph(
            [self.node],
            "one node",
            [typed(name) for name in inputs],
            [onnx.ValueInfoProto(name=name) for name in self.node.output if name],
        )
        opset = helper.make_opsetid(self.node.domain, self._version)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
