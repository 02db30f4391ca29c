"""Makes a Network of BNN-PYNQ's layers: dot products in place of popcounts, thresholds to match."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from bitfold.build.frontend.bnn_pynq.config import CONFIG, Layer, read_config
from bitfold.build.frontend.bnn_pynq.files import Files
from bitfold.build.frontend.bnn_pynq.parameters import read_thresholds, read_weights
from bitfold.build.frontend.weights import narrowest
from bitfold.models.encoding import Encoding
from bitfold.models.errors import FrontendError, NetworkError
from bitfold.models.host import HostOp
from bitfold.models.names import plain_name
from bitfold.models.network import Network
from bitfold.models.node import Node
from bitfold.models.ops import Conv2d, Dense, Flatten, MaxPool, Op, Threshold
from bitfold.models.value import Parameter, Value

CLASSES = "classes.txt"
IMAGE = (28, 28)
"""What its dense networks look at: pixels, of which those from 128 on are +1."""


def read_bnn_pynq(path: Path | str, name: str | None = None) -> Network:
    """The network whose parameter files, classes.txt and config.h lie at `path`, a folder or zip.

    Inputs are pixels; a convolution's images are (rows, columns, channels). All rows of the last
    layer are outputs; scores are those of as many as there are classes. Raises FrontendError for
    files that are missing or do not go together.
    """
    path = Path(path)
    with closing(Files(path)) as files:
        try:
            return _network(files, plain_name(name or path.stem))
        except NetworkError as error:
            raise FrontendError(f"{path}: {error}") from error


def read_folding(path: Path | str) -> dict[str, tuple[int, int]]:
    """PE and SIMD of each layer, by name, as config.h at `path` has them. Raises FrontendError."""
    with closing(Files(Path(path))) as files:
        return {layer.name: (layer.pe, layer.simd) for layer in read_config(files)}


def _network(files: Files, name: str) -> Network:
    layers = read_config(files)
    classes = _classes(files)
    if layers[0].kernel:
        shape = (layers[0].size, layers[0].size, layers[0].channels)
        source = Value(shape, Encoding.of("INT8"))
        quantizer = (
            HostOp.of("Mul", 2),
            HostOp.of("Sub", 1),
            HostOp.of("Quant", 1 / 128, 0, -128, 127),
        )
    else:
        shape = IMAGE
        source = Value((IMAGE[0] * IMAGE[1],), Encoding.of("BIPOLAR"))
        quantizer = (HostOp.of("Sub", 0.5), HostOp("BipolarQuant"))
    made = _Made(source)
    for number, layer in enumerate(layers):
        _add_layer(made, files, number, layer)
    last = layers[-1]
    if last.kernel or len(classes) > last.rows:
        raise FrontendError(
            f"{files.path / CLASSES}: {len(classes)} classes for {last.rows} outputs of a "
            f"{'convolution' if last.kernel else 'dense layer'}; take the file that belongs to "
            "these parameters, and all of config.h"
        )
    return Network(
        name,
        shape,
        quantizer,
        "pixels",
        made.last,
        made.values,
        made.parameters,
        tuple(made.nodes),
        _head(made, last, len(classes)),
        labels=classes,
        info={"source": "BNN-PYNQ"},
    )


class _Made:
    """The nodes so far, each reading what the one before made."""

    def __init__(self, source: Value):
        self.values = {"pixels": source}
        self.parameters: dict[str, Parameter] = {}
        self.nodes: list[Node] = []
        self.last = "pixels"

    @property
    def value(self) -> Value:
        return self.values[self.last]

    @property
    def counts(self) -> bool:
        """Whether the last sums are of bits on both sides, which BNN-PYNQ has as popcounts."""
        node = self.nodes[-1]
        sides = self.values[node.inputs[0]].encoding, self.parameters[node.parameters[0]].encoding
        return all(side.is_bipolar for side in sides)

    def add(self, name: str, op: Op, parameter: np.ndarray | None = None) -> None:
        given = ()
        if parameter is not None:
            given = (f"{name}.{op.roles[0]}",)
            encoding = narrowest(parameter)
            self.parameters[given[0]] = Parameter(parameter.astype(np.int32), encoding)
        made = f"{name}.out"
        (self.values[made],) = op.infer([self.value], [self.parameters[each] for each in given])
        self.nodes.append(Node(name, op, (self.last,), (made,), given))
        self.last = made


def _add_layer(made: _Made, files: Files, number: int, layer: Layer) -> None:
    weights = read_weights(files, number, layer)
    thresholds = read_thresholds(files, number, layer)
    first = number == 0
    what = f"{files.path / CONFIG}: layer {number}"
    if layer.kernel:
        if made.value.shape == (2 * layer.size, 2 * layer.size, layer.channels):
            made.add(f"pool{number}", MaxPool((2, 2), (2, 2)))
        if made.value.shape != (layer.size, layer.size, layer.channels):
            raise FrontendError(
                f"{what} takes {layer.size}x{layer.size}x{layer.channels}, but is given "
                f"{'x'.join(map(str, made.value.shape))}; take config.h of this network"
            )
        kernel = (layer.rows, layer.kernel, layer.kernel, layer.channels)
        made.add(layer.name, Conv2d(), weights.reshape(kernel))
    else:
        if len(made.value.shape) > 1:
            made.add(f"flatten{number}", Flatten((0, 1, 2)))
        size = made.value.size
        if size > layer.columns or (size < layer.columns and not first):
            raise FrontendError(
                f"{what} takes {layer.columns} inputs, but is given {size}; take config.h of this "
                "network"
            )
        # Columns beyond the image are padding: always -1.
        padding, weights = weights[:, size:].sum(axis=1), weights[:, :size]
        made.add(layer.name, Dense(), weights)
    if thresholds is None:
        return
    if first and layer.kernel:
        least = thresholds // 2 + 1  # compared with twice the sum
    elif made.counts:
        least = 2 * thresholds - layer.columns + 1  # the popcount is (sum + columns) / 2
    else:
        least = thresholds + 1
    if not layer.kernel:
        least = least + padding[:, None]
    low, high = made.value.encoding.minimum, made.value.encoding.maximum
    least = np.clip(least, low, high + 1)
    op = Threshold.to(Encoding.of("BIPOLAR")) if layer.levels == 1 else Threshold(base=-1)
    made.add(f"act{number}", op, least)


def _head(made: _Made, last: Layer, classes: int) -> tuple[HostOp, ...]:
    """The scores, as BNN-PYNQ has them: of `classes` outputs."""
    taken = HostOp.of("Take", classes)
    if isinstance(made.nodes[-1].op, Threshold):
        # The class is the highest bit that is set, or 0.
        return (taken, HostOp("Relu"), HostOp.of("Mul", np.arange(classes)))
    if made.counts:
        return (taken, HostOp.of("Add", last.columns), HostOp.of("Div", 2))
    return (taken,)


def _classes(files: Files) -> tuple[str, ...]:
    remedy = "take classes.txt of the network from bnn/params of BNN-PYNQ"
    content = files.read(CLASSES, 1 << 16, "no class names", remedy)
    lines = content.decode("utf-8", "replace").splitlines()
    classes = tuple(plain_name(line.strip()) for line in lines if line.strip())
    if len(classes) < 2:
        raise FrontendError(f"{files.path / CLASSES}: names {len(classes)} classes; {remedy}")
    return classes
