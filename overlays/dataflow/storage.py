"""Designs on disk: design.json says the structure, the memory images hold the constants."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from bitfold.models.checked import checked
from bitfold.models.encoding import Encoding
from bitfold.models.errors import BundleError
from bitfold.models.storage import REMEDY, OpDocument, ValueDocument
from bitfold.overlays.dataflow.design import Design, Edge
from bitfold.overlays.dataflow.fold import Fold
from bitfold.overlays.dataflow.stages import STAGES, Stage
from bitfold.overlays.images import image_name
from bitfold.overlays.packing import FrameLayout


@dataclass(frozen=True)
class _StageDocument:
    """A Stage; `own` is what only its kind has."""

    kind: str
    name: str
    layer: str
    value: str
    ops: tuple[OpDocument, ...]
    inputs: tuple[ValueDocument, ...]
    output: ValueDocument
    fold: Fold
    own: dict[str, object]


@dataclass(frozen=True)
class _LayoutDocument:
    elements: int
    encoding: str


@dataclass(frozen=True)
class _Document:
    input: _LayoutDocument
    output: _LayoutDocument
    stages: tuple[_StageDocument, ...]
    edges: tuple[Edge, ...]
    pace: int


def design_document(design: Design) -> dict:
    """The structure of `design` as JSON."""
    document = _Document(
        input=_LayoutDocument(design.input.elements, design.input.encoding.name),
        output=_LayoutDocument(design.output.elements, design.output.encoding.name),
        stages=tuple(_stage_document(stage) for stage in design.stages),
        edges=design.edges,
        pace=design.pace,
    )
    return asdict(document)


def design_images(design: Design) -> dict[str, str]:
    """The memory images of `design`, by file name: the constants of its stages."""
    return {
        image_name(i, role): stage.images[role].text(stage.encode(role, values))
        for i, (stage, constants) in enumerate(zip(design.stages, design.constants))
        for role, values in zip(stage.roles, constants)
    }


def design_of(document: object, images: Path) -> Design:
    """The design that `design_document` wrote, its constants read back from the folder `images`.

    Raises BundleError, OverlayError or NetworkError where either is damaged.
    """
    name = "design.json"
    said = checked(document, _Document, BundleError, name, REMEDY)
    try:
        return _design(said, images, name)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{name}: no design ({error!r:.200}); {REMEDY}") from error


def _design(said: _Document, images: Path, name: str) -> Design:
    stages = tuple(_stage(each, name) for each in said.stages)
    constants = tuple(
        tuple(_read_constants(images, i, stage, role) for role in stage.roles)
        for i, stage in enumerate(stages)
    )
    return Design(
        input=FrameLayout(said.input.elements, Encoding.of(said.input.encoding)),
        output=FrameLayout(said.output.elements, Encoding.of(said.output.encoding)),
        stages=stages,
        edges=said.edges,
        constants=constants,
        pace=said.pace,
    )


def _read_constants(images: Path, place: int, stage: Stage, role: str) -> np.ndarray:
    """What the image of a stage holds, int64 as the network has it. Raises BundleError."""
    return stage.decode(role, stage.images[role].read(images / image_name(place, role)))


_COMMON = {field.name for field in fields(Stage)}


def _stage_document(stage: Stage) -> _StageDocument:
    own = {f.name: getattr(stage, f.name) for f in fields(stage) if f.name not in _COMMON}
    return _StageDocument(
        kind=stage.module,
        name=stage.name,
        layer=stage.layer,
        value=stage.value,
        ops=tuple(map(OpDocument.of, stage.ops)),
        inputs=tuple(map(ValueDocument.of, stage.inputs)),
        output=ValueDocument.of(stage.output),
        fold=stage.fold,
        own={n: v.name if isinstance(v, Encoding) else v for n, v in own.items()},
    )


def _stage(said: _StageDocument, name: str) -> Stage:
    name = f"{name}: {said.name}"
    if said.kind not in STAGES:
        raise BundleError(f"{name}: stage {said.kind!r} is unknown; known: {', '.join(STAGES)}")
    kind = STAGES[said.kind]
    own = {}
    for field in fields(kind):
        if field.name not in _COMMON:
            value = said.own.get(field.name)
            # Annotations are text: those of a stage's own fields are few.
            type_ = _TYPES[field.type]
            value = checked(value, type_, BundleError, f"{name}: {field.name}", REMEDY)
            own[field.name] = Encoding.of(value) if field.type == "Encoding" else value
    return kind(
        name=said.name,
        layer=said.layer,
        value=said.value,
        ops=tuple(op.op(BundleError, name) for op in said.ops),
        inputs=tuple(value.value for value in said.inputs),
        output=said.output.value,
        fold=said.fold,
        **own,
    )


_TYPES = {"Encoding": str, "int": int, "bool": bool, "tuple[int, int]": tuple[int, ...]}
