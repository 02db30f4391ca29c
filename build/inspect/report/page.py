"""The page of a report: figures from its dictionary, each marked with where it stands there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape

from bitfold.build.inspect.report import drawing
from bitfold.models.network import Network

TEMPLATES = Path(__file__).with_name("templates")

# How a figure is written, by the name that the template calls the form.
FORMS: dict[str, Callable[[Any], str]] = {
    "count": lambda n: f"{n:,.0f}" if float(n).is_integer() else f"{n:,.1f}",
    "percent": lambda n: f"{100 * n:.1f} %",
    "short": lambda n: f"{n:,.3g}" if n < 1000 else f"{n:,.0f}",
    "rate": lambda n: f"{n / 1e6:,.3g} M" if n >= 1e6 else f"{n:,.0f}",
}


def render(report: dict, network: Network, pictures: np.ndarray | None = None) -> str:
    """The page, in HTML. `report` is what facts.describe gives, of `network`; `pictures` are its
    samples (rows, height, width, channels) with numbers 0..255, where they are images."""
    return _template().render(
        report=report,
        figure=lambda path, form="count": _figure(report, path, form),
        pictures=_pictures(report),
        layers=[_layer_pictures(layer, network, report) for layer in report["layers"]],
        samples=_samples(report, network, pictures),
    )


def _figure(report: dict, path: str, form: str) -> Markup:
    """The value at `path`, keys and indices with dots between, for people and for machines."""
    value: Any = report
    for key in path.split("."):
        value = value[key] if isinstance(value, dict) else value[int(key)]
    return Markup('<data value="{}" data-path="{}">{}</data>').format(
        value, path, FORMS[form](value)
    )


def _code(text: str) -> Markup:
    """`text` with what stands between backticks as code."""
    parts = text.split("`")
    marked = [Markup("<code>{}</code>").format(_words(part)) for part in parts[1::2]]
    return Markup("").join(
        part for pair in zip_longest(map(escape, parts[::2]), marked) for part in pair if part
    )


def _words(command: str) -> Markup:
    """`command` with each word in one piece, so that no line ends behind the hyphens of an
    option."""
    words = (Markup('<span class="word">{}</span>').format(word) for word in command.split(" "))
    return Markup(" ").join(words)


def _pictures(report: dict) -> list[Markup]:
    timeline = report["timeline"]
    if timeline["overlay"] == "dataflow":
        return [drawing.dataflow_picture(timeline)]
    return [drawing.offload_picture(call, i) for i, call in enumerate(timeline["calls"])]


def _samples(report: dict, network: Network, pictures: np.ndarray | None) -> list[dict]:
    """The pictures of samples, and what is said below each."""
    names = network.labels
    shown = []
    for picked in report["pictures"] if pictures is not None else ():
        labels = picked["class"], picked["is"]
        taken, is_ = (names[label] if names else str(label) for label in labels)
        said = f"sample {picked['sample']}, {is_}, taken for {taken}"
        image = drawing.sample_picture(pictures[picked["sample"]], said)
        shown.append({"image": image, "class": taken, "is": is_ if is_ != taken else None})
    return shown


def _layer_pictures(layer: dict, network: Network, report: dict) -> dict[str, str]:
    largest = max(max(each["in"], each["out"]) for each in report["layers"])
    pictures = {"shape": drawing.silhouette(layer["in"], layer["out"], largest), "weights": ""}
    shapes = [layer["in_shape"], layer["out_shape"]]
    known = [each[side] for each in report["layers"] for side in ("in_shape", "out_shape")]
    widest = max((max(shape[:2]) for shape in known if shape), default=0)
    pictures["maps"] = drawing.feature_maps(shapes, widest) if any(shapes) else ""
    if layer["weights"]:
        engine, tile = report["engine"], None
        if "pe" in layer:
            tile = layer["pe"], layer["simd"]
        elif layer["on"] == "engine":
            tile = min(engine["rows"], layer["rows"]), min(engine["lanes"], layer["columns"])
        said = (
            f"The {layer['rows']} by {layer['columns']} weights of {layer['name']}, "
            f"{layer['weight_encoding']}"
        )
        if tile:
            said += f"; outlined are {tile[0]} rows and {tile[1]} columns, taken at a time"
        values = network.parameters[layer["weights"]].values
        values = values.reshape(len(values), -1)
        pictures["weights"] = drawing.weights_picture(values, said, tile)
    return pictures


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code": _code, "words": _words}
    return environment.get_template("report.html.j2")
