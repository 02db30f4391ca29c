"""Stages that are overlays: on any device, layer by layer, or by the streams inside the RTL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bitfold.build.compile.passes.cut import cut_behind
from bitfold.build.inspect.diff.stages import Shown, parameter_of
from bitfold.build.workflows.samples import Samples
from bitfold.models.errors import DeviceError, OverlayError
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Flatten
from bitfold.overlays.bundle import Bundle, DataflowBundle
from bitfold.overlays.dataflow.stages import UnrolledStage
from bitfold.overlays.kernels import flattened_order, fuse
from bitfold.runtime.device import Device
from bitfold.runtime.functional import FunctionalDevice
from bitfold.runtime.observation import watch
from bitfold.runtime.verilated import VerilatedDevice
from bitfold.runtime.verilator import EVERYDAY, WATCHED, Variant

DEVICES = ("rtl", "functional", "netlist")
Open = Callable[[Variant], Device]


@dataclass(frozen=True)
class LayerwiseStage:
    """A device that runs any network: it runs this one up to each of its layers."""

    label: str
    network: Network
    bundle: Bundle
    open: Open

    def run(self, samples: Samples) -> Shown:
        network = self.network
        tensors = {network.input: samples.integers(network)}
        device = self.open(EVERYDAY)
        try:
            device.load(network)  # or says why it does not run
            for node in network.nodes[:-1]:
                try:
                    device.load(cut_behind(network, node))
                except OverlayError:
                    continue  # up to there all is the host's
                tensors[node.output], _ = device.run(tensors[network.input])
            device.load(network)
            tensors[network.output], _ = device.run(tensors[network.input])
        finally:
            device.close()
        return Shown(tensors, network.scores(tensors[network.output]))

    def parameter(self, node: Node) -> np.ndarray | None:
        return parameter_of(self.network, node)


@dataclass(frozen=True)
class StreamStage:
    """A simulated dataflow overlay, whose stages are watched at work."""

    label: str
    network: Network
    bundle: DataflowBundle
    open: Open

    def run(self, samples: Samples) -> Shown:
        network = self.network
        integers = samples.integers(network)
        device = self.open(WATCHED)
        try:
            stages = self.bundle.design.stages
            paths = [f"bitfold_top.core.stage_{i}" for i in range(len(stages))]
            streams = watch(device.port, paths)
            device.load(network)
            outputs, _ = device.run(integers)
            tensors = {network.input: integers}
            for stage, stream in zip(stages, streams):
                tensors[stage.value] = stream.frames(stage.output.size, stage.output.encoding)
        finally:
            device.close()
        if any(len(values) != len(samples) for values in tensors.values()):
            raise DeviceError(f"{self.label}: its layers gave another number of frames")
        # The output as the host has it: it went through the shell and the memory.
        tensors[network.output] = outputs
        return Shown(tensors, network.scores(outputs))

    def parameter(self, node: Node) -> np.ndarray | None:
        # An unrolled layer has its constants in its logic; its images only say which they were.
        design = self.bundle.design
        for stage, constants in zip(design.stages, design.constants):
            if stage.name == node.name and node.op.roles and not isinstance(stage, UnrolledStage):
                return _as_in(self.network, node, constants[0])
        return None


@dataclass(frozen=True)
class DesignStage:
    """A dataflow overlay on the functional device: its design, stage by stage."""

    label: str
    network: Network
    bundle: DataflowBundle
    open: Open

    def run(self, samples: Samples) -> Shown:
        network, design = self.network, self.bundle.design
        integers = samples.integers(network)
        device = self.open(EVERYDAY)
        try:
            device.load(network)
            outputs, _ = device.run(integers)
        finally:
            device.close()
        made = design.trace(integers.reshape(len(integers), design.input.elements))
        tensors = {network.input: integers}
        tensors.update((stage.value, values) for stage, values in zip(design.stages, made))
        # The output as the device gives it, whose engine is another.
        tensors[network.output] = outputs
        return Shown(tensors, network.scores(outputs))

    def parameter(self, node: Node) -> np.ndarray | None:
        design = self.bundle.design
        for stage, constants in zip(design.stages, design.constants):
            if node.op.roles and node.name == stage.name:
                return _as_in(self.network, node, constants[0])
            if node.op.roles and node.output == stage.value:  # of two ops in one stage
                return constants[-1]
        return None


def _as_in(network: Network, node: Node, constants: np.ndarray) -> np.ndarray:
    """What a stage holds of the node's parameter, as the network has it: the columns of a layer
    behind a Flatten in its order, a convolution's with their places in the kernel."""
    if "weights" not in node.op.roles:
        return constants
    own = network.parameter(node, "weights").values
    kernel = next(kernel for kernel in fuse(network) if node in kernel.nodes)
    if kernel.part(Flatten):
        order = flattened_order(network, kernel)
        constants = constants[:, order]
    return constants.reshape(own.shape)


Overlay = LayerwiseStage | StreamStage | DesignStage


def open_overlay(
    label: str, bundle: Bundle, device: str, network: Network, say: Callable[[str], None]
) -> Overlay:
    """`bundle` on a device of DEVICES, running `network`."""

    def open_device(variant: Variant) -> Device:
        if device == "functional":
            return FunctionalDevice(bundle)
        if device == "rtl":
            return VerilatedDevice(bundle, progress=say, variant=variant)
        from bitfold.build.implement.synthesis.netlist import NetlistDevice

        return NetlistDevice(bundle, progress=say, variant=variant)

    if not isinstance(bundle, DataflowBundle):
        return LayerwiseStage(label, network, bundle, open_device)
    kind = DesignStage if device == "functional" else StreamStage
    return kind(label, network, bundle, open_device)
