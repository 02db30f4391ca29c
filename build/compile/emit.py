"""Writes what an overlay is made of: its wiring in SystemVerilog and its memory images.

All else of the hardware is hand-written and copied as it stands in overlays/rtl. Names from outside
are never written: modules, instances and images are numbered.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from bitfold.build.unrolled.layer import unrolled_layer
from bitfold.models.network import Network
from bitfold.overlays.dataflow.design import Design, Edge
from bitfold.overlays.dataflow.stages import UnrolledStage
from bitfold.overlays.dataflow.stages.stage import packed
from bitfold.overlays.images import image_name
from bitfold.overlays.kernels import fuse
from bitfold.overlays.offload import SIZE_PACKAGE, Engine
from bitfold.overlays.packing import BEAT_BITS, FrameLayout

TEMPLATES = Path(__file__).with_name("templates")


def dataflow_rtl(network: Network, design: Design) -> dict[str, str]:
    """The generated SystemVerilog of `design`, which computes `network`, by file name.

    Its core holds module instances and the streams between them; its package, the sizes that the
    hand-written top needs; and each unrolled layer is a module of its own.
    """
    files = {
        f"unrolled_{i}.sv": _unrolled_module(network, stage, f"unrolled_{i}")
        for i, stage in enumerate(design.stages)
        if isinstance(stage, UnrolledStage)
    }
    wiring = _Wiring(design)
    for name in ("dataflow_core_pkg.sv", "dataflow_core.sv"):
        files[name] = _template(f"{name}.j2").render(vars(wiring))
    return files


def engine_rtl(engine: Engine) -> dict[str, str]:
    """The generated SystemVerilog of an offload overlay: the package of its size."""
    return {f"{SIZE_PACKAGE}.sv": engine.package}


class _Wiring:
    """What the core's template is filled with.

    `streams` are bits by name; `modules` instances, each with the streams that it reads and makes,
    named as it is, but for those of a fork; `last` is the stream to the output port.
    """

    def __init__(self, design: Design):
        self.design = design
        (out,) = design.into(None)
        # Padding is cut by the link at either port, or, where there is none, by the core.
        linked = all(edge.link for edge in design.out_of(None))
        self.lanes_in = design.input.lanes if linked else design.input.elements
        self.lanes_out = design.output.lanes if out.link else design.output.elements
        self.padding = _padding_mask(design.input, self.lanes_in)
        self.streams = {"port_in": self.lanes_in * design.input.encoding.bits}
        self.modules: list[dict] = []
        self._forked: dict[Edge, str] = {}
        self._fork(None, self._paced("port_in"))
        for i, stage in enumerate(design.stages):
            begins, ends = design.layer_ends(i)
            layer = design.layers.index(stage.layer)
            kind = f"unrolled_{i}" if isinstance(stage, UnrolledStage) else stage.module
            images = {} if isinstance(stage, UnrolledStage) else stage.images
            named = {role.upper(): f'"{image_name(i, role)}"' for role in images}
            self._add(
                kind,
                f"stage_{i}",
                stage.rtl_parameters | named,
                [self._arrive(edge, i) for edge in design.into(i)],
                stage.lanes_out * stage.output.encoding.bits,
                busy=f"layer_busy[{layer}]" if begins else f"unused_busy[{i}]",
                stalled=f"layer_stalled[{layer}]" if ends else f"unused_stalled[{i}]",
            )
            self._fork(i, f"stage_{i}")
        self.last = self._arrive(out, None)

    def _add(self, kind: str, name: str, parameters: dict, sources: list[str], bits: int, **more):
        self.streams[name] = bits
        self.modules.append(
            {"kind": kind, "name": name, "parameters": parameters, "sources": sources}
            | {"targets": [name], **more}
        )

    def _paced(self, stream: str) -> str:
        """The input port, a frame an interval: by itself where that is what its beats take."""
        design = self.design
        pace = {"BEATS": design.input.beats, "PACE": design.pace}
        if design.initiation_interval == design.input.beats:
            return stream
        bits = self.streams[stream]
        interval = {"INTERVAL": packed([design.initiation_interval])}
        self._add("frame_pacer", "paced_in", {"WIDTH": bits} | pace | interval, [stream], bits)
        return "paced_in"

    def _fork(self, source: int | None, stream: str) -> None:
        """Gives each edge out of a stage a stream of its own, where there are several."""
        edges = self.design.out_of(source)
        if len(edges) == 1:
            self._forked[edges[0]] = stream
            return
        name = f"fork_{'in' if source is None else source}"
        self._forked |= {edge: f"{name}_{i}" for i, edge in enumerate(edges)}
        targets = [self._forked[edge] for edge in edges]
        bits = self.streams[stream]
        self._add("stream_fork", name, {"WIDTH": bits, "OUTPUTS": len(edges)}, [stream], bits)
        self.modules[-1]["targets"] = targets
        self.streams |= dict.fromkeys(targets, bits)

    def _arrive(self, edge: Edge, target: int | None) -> str:
        """The stream at the end of an edge."""
        stream, link = self._forked[edge], edge.link
        if link is None:
            return stream
        name = "link_out" if target is None else f"link_{target}"
        if target is not None and len(self.design.into(target)) > 1:
            name += f"_{edge.operand}"
        self._add(link.module, name, link.rtl_parameters, [stream], link.lanes_out * link.bits)
        return name


def _unrolled_module(network: Network, stage: UnrolledStage, name: str) -> str:
    kernel = next(kernel for kernel in fuse(network) if kernel.name == stage.layer)
    layer = unrolled_layer(network, kernel)
    parts, output = layer.logic.cut(layer.outputs, stage.fold.unrolled)
    return _template("unrolled.sv.j2").render(name=name, stage=stage, parts=parts, output=output)


def _padding_mask(layout: FrameLayout, lanes: int) -> int:
    """The bits of a beat that hold none of its first `lanes` elements."""
    element = (1 << layout.encoding.bits) - 1
    used = sum(element << lane * layout.field_bits for lane in range(lanes))
    return used ^ (1 << BEAT_BITS) - 1


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
