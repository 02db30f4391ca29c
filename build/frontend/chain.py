"""Writes a chain of nodes as a QONNX graph in FINN's dialect."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.basic import qonnx_make_model


class Chain:
    """A chain of nodes on a tensor (1, features), each with one constant.

    `datatypes` are the QONNX names of what tensors and constants hold; those that are left out
    hold floats. `tensor` is the last one, `features` how many elements each of them has.
    """

    def __init__(self, features: int, datatype: str):
        self.nodes = []
        self.constants: dict[str, np.ndarray] = {}
        self.features = {"integers0": features}
        self.datatypes = {"integers0": datatype}
        self.tensor = "integers0"

    def add(self, kind: str, constant: np.ndarray, features: int, **attributes) -> str:
        """Appends a node; gives the name of its constant."""
        index = len(self.nodes)
        name, output = f"constant{index}", f"integers{index + 1}"
        domain = "qonnx.custom_op.general" if kind == "MultiThreshold" else ""
        self.nodes.append(
            helper.make_node(kind, [self.tensor, name], [output], domain=domain, **attributes)
        )
        self.constants[name] = np.asarray(constant, np.float32)
        self.features[output] = features
        self.tensor = output
        return name

    def model(self, name: str) -> ModelWrapper:
        values = [
            helper.make_tensor_value_info(tensor, TensorProto.FLOAT, [1, features])
            for tensor, features in self.features.items()
        ]
        graph = helper.make_graph(
            self.nodes, name, values[:1], values[-1:], value_info=values[1:-1]
        )
        model = ModelWrapper(qonnx_make_model(graph))
        for tensor, constant in self.constants.items():
            model.set_initializer(tensor, constant)
        for tensor, datatype in self.datatypes.items():
            model.set_tensor_datatype(tensor, DataType[datatype])
        return model
