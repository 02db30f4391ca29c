"""Writes what an overlay is made of: its wiring in SystemVerilog and its memory images.

Stages, images and instances are numbered: no name from a file stands in generated text.
All else of the hardware is hand-written and copied as it stands in overlays/rtl.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2
import numpy as np

from bitfold.build.unrolled.layer import unrolled_layer
from bitfold.models.encoding import Encoding
from bitfold.models.network import Network
from bitfold.overlays.dataflow import (
    ArgMaxStage,
    DataflowOverlay,
    Link,
    MatrixStage,
    SoftmaxStage,
    ThresholdStage,
    UnrolledStage,
)
from bitfold.overlays.images import IMAGES, image_name
from bitfold.overlays.offload import Engine
from bitfold.overlays.packing import BEAT_BITS, FrameLayout

TEMPLATES = Path(__file__).parent / "templates"


def dataflow_rtl(network: Network, overlay: DataflowOverlay) -> dict[str, str]:
    """The generated SystemVerilog of `overlay`, which computes `network`, by file name.

    Its core holds module instances and the streams between them; its package, the sizes that the
    hand-written top needs; and each unrolled layer is a module of its own.
    """
    modules: list[dict] = []
    files: dict[str, str] = {}
    # Padding is cut by the link at either port, or, where there is none, by the core.
    lanes_in, lanes_out = (
        layout.lanes if link else layout.elements
        for layout, link in (
            (overlay.input, overlay.links[0]),
            (overlay.output, overlay.links[-1]),
        )
    )
    streams = [lanes_in * overlay.input.encoding.bits]  # bits of each

    def add(kind: str, name: str, parameters: dict, bits: int, **more) -> None:
        source = len(streams) - 1
        streams.append(bits)
        modules.append(
            {"kind": kind, "name": name, "parameters": parameters, "source": source, **more}
        )

    for i, (stage, link) in enumerate(zip(overlay.stages, overlay.links)):
        if link:
            add("stream_link", f"link_{i}", _link_parameters(link), link.lanes_out * link.bits)
        bits = stage.lanes_out * stage.output.bits
        # A layer is busy with the stage behind its link, and stalled when its last stage is.
        layer = sum(overlay.is_head(j) for j in range(i + 1)) - 1
        ends = i + 1 == len(overlay.stages) or overlay.is_head(i + 1)
        if isinstance(stage, UnrolledStage):
            kind, parameters = f"unrolled_{i}", {}
            files[f"{kind}.sv"] = _unrolled_module(network, stage, kind)
        else:
            kind, parameters = _KINDS[type(stage)], _PARAMETERS[type(stage)](stage)
            if kind in IMAGES:
                parameters[IMAGES[kind].parameter] = f'"{image_name(i, IMAGES[kind].memory)}"'
        add(
            kind,
            f"stage_{i}",
            parameters,
            bits,
            busy=f"layer_busy[{layer}]" if overlay.is_head(i) else f"unused_busy[{i}]",
            stalled=f"layer_stalled[{layer}]" if ends else f"unused_stalled[{i}]",
        )
    last = overlay.links[-1]
    if last:
        add("stream_link", "link_out", _link_parameters(last), last.lanes_out * last.bits)
    for name in ("dataflow_core_pkg.sv", "dataflow_core.sv"):
        files[name] = _template(f"{name}.j2").render(
            overlay=overlay,
            lanes_in=lanes_in,
            lanes_out=lanes_out,
            padding=_padding_mask(overlay.input, lanes_in),
            streams=streams,
            modules=modules,
        )
    return files


def engine_rtl(engine: Engine) -> dict[str, str]:
    """The generated SystemVerilog of an offload overlay: the package of its size."""
    name = "offload_size_pkg.sv"
    return {name: _template(f"{name}.j2").render(engine=engine)}


def dataflow_images(network: Network, overlay: DataflowOverlay) -> dict[str, str]:
    """The memory images of `overlay`, by file name: the weights and thresholds of its stages."""
    images = {}
    for i, stage in enumerate(overlay.stages):
        if isinstance(stage, MatrixStage):
            weight = network.parameters[stage.parameter].values
            words = _hex(_weight_words(stage, weight), stage.weight.bits)
        elif isinstance(stage, ThresholdStage):
            thresholds = network.parameters[stage.parameter].values
            words = _hex(_threshold_words(stage, thresholds), _threshold_encoding(stage).bits)
        else:
            continue
        images[image_name(i, IMAGES[_KINDS[type(stage)]].memory)] = words
    return images


def _unrolled_module(network: Network, stage: UnrolledStage, name: str) -> str:
    layer = unrolled_layer(network, stage.name)
    parts, output = layer.logic.cut(layer.outputs, stage.fold.unrolled)
    return _template("unrolled.sv.j2").render(name=name, stage=stage, parts=parts, output=output)


def _link_parameters(link: Link) -> dict:
    return {
        "BITS": link.bits,
        "LANES_IN": link.lanes_in,
        "WIDE": link.wide,
        "KEPT": link.kept,
        "PADDED": link.padded,
        "LANES_OUT": link.lanes_out,
        "DEPTH": link.depth,
    }


def _matrix_parameters(stage: MatrixStage) -> dict:
    return {
        "ROWS": stage.rows,
        "COLUMNS": stage.columns,
        "PE": stage.fold.pe,
        "SIMD": stage.fold.simd,
        "INPUT_BITS": stage.input.bits,
        "INPUT_ENCODING": _encoding_code(stage.input),
        "WEIGHT_BITS": stage.weight.bits,
        "WEIGHT_ENCODING": _encoding_code(stage.weight),
        "ACCUMULATOR_BITS": stage.output.bits,
    }


def _threshold_parameters(stage: ThresholdStage) -> dict:
    return {
        "FOLDS": 1 if stage.shared else stage.cycles,
        "PE": stage.fold.pe,
        "INPUT_BITS": stage.input.bits,
        "INPUT_ENCODING": _encoding_code(stage.input),
        "BITS": stage.level_bits,
        "BASE": 0 if stage.output.is_bipolar else stage.base,
        "OUTPUT_BITS": stage.output.bits,
        "THRESHOLD_BITS": _threshold_encoding(stage).bits,
    }


def _argmax_parameters(stage: ArgMaxStage) -> dict:
    return {
        "ROWS": stage.rows,
        "PE": stage.fold.pe,
        "INPUT_BITS": stage.input.bits,
        "INPUT_ENCODING": _encoding_code(stage.input),
        "OUTPUT_BITS": stage.output.bits,
    }


def _softmax_parameters(stage: SoftmaxStage) -> dict:
    return {
        "ROWS": stage.rows,
        "INPUT_BITS": stage.input.bits,
        "INPUT_ENCODING": _encoding_code(stage.input),
        "MULTIPLIER": stage.multiplier,
        "SHIFT": stage.shift,
        "PLAIN": int(stage.plain),
    }


_KINDS = {
    MatrixStage: "mvau",
    ThresholdStage: "threshold",
    ArgMaxStage: "argmax",
    SoftmaxStage: "softmax",
}
_PARAMETERS = {
    MatrixStage: _matrix_parameters,
    ThresholdStage: _threshold_parameters,
    ArgMaxStage: _argmax_parameters,
    SoftmaxStage: _softmax_parameters,
}


def _encoding_code(encoding: Encoding) -> int:
    """The number by which the RTL knows how an encoding is stored."""
    return 2 if encoding.is_bipolar else int(encoding.signed)


def _weight_words(stage: MatrixStage, weight: np.ndarray) -> np.ndarray:
    """(words, fields) stored bits in the order that mvau.sv states."""
    fold = (stage.neuron_fold, stage.fold.pe, stage.synapse_fold, stage.fold.simd)
    bits = stage.weight.to_bits(weight).reshape(fold).transpose(0, 2, 1, 3)
    return bits.reshape(stage.cycles, -1)


def _threshold_encoding(stage: ThresholdStage) -> Encoding:
    """Two's complement that holds every value of the input, and one above: never reached."""
    return Encoding.for_range(min(stage.input.minimum, -1), stage.input.maximum + 1)


def _threshold_words(stage: ThresholdStage, thresholds: np.ndarray) -> np.ndarray:
    """(words, 1) stored bits in the order that threshold.sv states."""
    nodes = 1 << stage.level_bits
    never = stage.input.maximum + 1
    # Level l is reached at sorted[l - 1]; what lies beyond the last level never is.
    by_level = np.full((len(thresholds), nodes), never, np.int64)
    by_level[:, 1 : stage.levels + 1] = np.clip(thresholds, stage.input.minimum, never)
    node = np.arange(1, nodes)
    depth = np.array([int(n).bit_length() - 1 for n in node])
    # Depth d, path p: is the level below (2p + 1) * nodes / 2^(d + 1), or not?
    level = (2 * (node - (1 << depth)) + 1) * (nodes >> (depth + 1))
    tree = np.full((len(thresholds), nodes), never, np.int64)
    tree[:, node] = by_level[:, level]
    folds = 1 if stage.shared else stage.cycles
    fold_space, pe_space = (1 << (size - 1).bit_length() for size in (folds, stage.fold.pe))
    words = np.full((pe_space, fold_space, nodes), never, np.int64)
    if stage.shared:
        words[: stage.fold.pe, :folds] = tree[0]
    else:
        words[: stage.fold.pe, :folds] = tree.reshape(folds, stage.fold.pe, nodes).swapaxes(0, 1)
    return _threshold_encoding(stage).to_bits(words.reshape(-1, 1))


def _hex(words: np.ndarray, field_bits: int) -> str:
    """(words, fields) of `field_bits` each as $readmemh text, the first field lowest."""
    shifts = np.arange(field_bits, dtype=np.uint64)
    bits = (words[:, :, None] >> shifts & np.uint64(1)).astype(np.uint8).reshape(len(words), -1)
    rows = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = -(-words.shape[1] * field_bits // 4)
    return "".join(f"{row.tobytes().hex()[-digits:]}\n" for row in rows)


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
