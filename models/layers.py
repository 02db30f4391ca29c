"""The torch layers that every topology is put together from, float or quantized by Brevitas."""

from collections.abc import Callable

import brevitas.nn as qnn
import numpy as np
import torch
from torch import nn

from bitfold.models.datasets import STANDARDIZED, InputFormat
from bitfold.models.quantization import Quantization
from bitfold.models.quantizers import bipolar, unsigned, weight_quantizer

# The largest activation is just below 4: BatchNorm gives values of about unit variance, and what
# another scale would change, its gamma learns.
_ACTIVATION_RANGE = 4.0


class Input(nn.Module):
    """Quantizes the input to its integers; with a thermometer, compares them with levels.

    Where it is `standardized`, each column is brought to the format's range first, by the host.
    `fit` must see the training rows before training. A thermometer looks at the features named,
    by default at all.
    """

    def __init__(
        self,
        quantization: Quantization,
        input_format: InputFormat,
        standardized: bool = False,
        thermometer_features: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.format = input_format
        self.standardize = Standardize(input_format.features) if standardized else nn.Identity()
        if quantization.weight_bits is None:
            self.quantize = nn.Identity()
        else:
            self.quantize = unsigned(input_format.bits, input_format.scale)
        if quantization.thermometer_levels:
            self.thermometer = Thermometer(
                input_format, quantization.thermometer_levels, thermometer_features
            )
            self.out_features = self.thermometer.out_features
        else:
            self.thermometer = nn.Identity()
            self.out_features = input_format.features

    def fit(self, rows: np.ndarray) -> None:
        if isinstance(self.standardize, Standardize):
            self.standardize.fit(rows)
            rows = self.standardize(torch.from_numpy(rows)).numpy()
        if isinstance(self.thermometer, Thermometer):
            self.thermometer.fit(rows)

    def random_rows(self, rows: int, seed: int) -> np.ndarray:
        """(rows, features) float32 measurements all over the input's range."""
        shape = (rows, self.format.features)
        x = np.random.default_rng(seed).uniform(0, self.format.largest, shape)
        if isinstance(self.standardize, Standardize):
            x = self.standardize.undo(x)
        return x.astype(np.float32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.thermometer(self.quantize(self.standardize(x)))


class Standardize(nn.Module):
    """(x - offset) * factor, a column each: the mean becomes STANDARDIZED, the deviation 1."""

    def __init__(self, features: int):
        super().__init__()
        self.register_buffer("offset", torch.zeros(features))
        self.register_buffer("factor", torch.ones(features))

    def fit(self, rows: np.ndarray) -> None:
        """`rows` (rows, features); a column that does not vary keeps its unit."""
        rows = rows.astype(np.float64)
        deviation = rows.std(axis=0)
        deviation[deviation == 0] = 1
        self.offset.copy_(torch.from_numpy(rows.mean(axis=0) - STANDARDIZED * deviation))
        self.factor.copy_(torch.from_numpy(1 / deviation))

    def undo(self, x: np.ndarray) -> np.ndarray:
        """What is standardized to `x`, in float64."""
        return x / self.factor.double().numpy() + self.offset.double().numpy()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.offset) * self.factor


class Thermometer(nn.Module):
    """Each of `features` becomes `levels` values of {-1, +1}: whether it reaches each level.

    A fixed layer with one-hot rows and a bias, so that QONNX and FINN need nothing special.
    Levels are half-integers in units of the input's scale: no input ever lies on one.
    """

    def __init__(
        self, input_format: InputFormat, levels: int, features: tuple[int, ...] | None = None
    ):
        super().__init__()
        self.format = input_format
        self.levels = levels
        self.features = list(range(input_format.features) if features is None else features)
        self.out_features = len(self.features) * levels
        # Weights of {0, 1} in the narrow 2-bit range.
        self.linear = qnn.QuantLinear(
            input_format.features, self.out_features, bias=True, weight_quant=weight_quantizer(2)
        )
        one_hot = torch.eye(input_format.features)[self.features].repeat_interleave(levels, dim=0)
        self.linear.weight = nn.Parameter(one_hot, requires_grad=False)
        self.linear.bias.requires_grad = False
        self.activation = bipolar()
        whole_range = np.array([[0.0], [input_format.largest]]).repeat(
            input_format.features, axis=1
        )
        self.fit(whole_range)

    def fit(self, rows: np.ndarray) -> None:
        """Spaces each feature's levels evenly between the extremes of `rows` (rows, features)."""
        low, high = rows[:, self.features].min(axis=0), rows[:, self.features].max(axis=0)
        steps = (np.arange(self.levels) + 0.5) / self.levels
        levels = low[:, None] + (high - low)[:, None] * steps
        levels = (np.floor(levels / self.format.scale) + 0.5) * self.format.scale
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(-levels.reshape(-1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.linear(x))


def activation(quantization: Quantization) -> nn.Module:
    """A quantizer of activations; in the float reference ReLU."""
    bits = quantization.activation_bits
    if bits is None:
        return nn.ReLU()
    return bipolar() if bits == 1 else unsigned(bits, _ACTIVATION_RANGE / 2**bits)


class Dense(nn.Module):
    """Linear without bias, BatchNorm, quantized activation (ReLU in the float reference)."""

    def __init__(self, quantization: Quantization, in_features: int, out_features: int):
        super().__init__()
        self.linear = _linear(quantization, in_features, out_features)
        self.norm = nn.BatchNorm1d(out_features)
        self.activation = activation(quantization)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(self.linear(x)))


class Affine(nn.Module):
    """BatchNorm at rest: one multiplication and one addition a feature, each rounded to float32.

    torch and onnxruntime evaluate a BatchNorm in different orders, and 8-bit activations show it.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__()
        factor = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        offset = norm.bias.double() - norm.running_mean.double() * factor
        shape = (-1, 1, 1) if isinstance(norm, nn.BatchNorm2d) else (-1,)
        self.register_buffer("factor", factor.detach().float().reshape(shape))
        self.register_buffer("offset", offset.detach().float().reshape(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor + self.offset


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """Puts `module` into eval mode for good, each BatchNorm in it replaced by its `Affine`."""
    for layer in list(module.modules()):
        for name, part in list(layer.named_children()):
            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
                setattr(layer, name, Affine(part))
    return module.eval()


class Repeated(nn.Module):
    """One dense layer applied `times` times: the same weights, BatchNorm and activation.

    A plain BatchNorm would train each application on its own statistics and then evaluate all of
    them by their average, which is another function. Here the applications are normalized
    together in training too.
    """

    def __init__(self, layer: Dense, times: int):
        super().__init__()
        self.layer = layer
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normalize = self._pooled_normalization(x) if self.training else self.layer.norm
        for _ in range(self.times):
            x = self.layer.activation(normalize(self.layer.linear(x)))
        return x

    def _pooled_normalization(self, x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """BatchNorm by the mean and variance over all applications, which join its averages."""
        norm = self.layer.norm
        sums = [self.layer.linear(x)]
        with torch.no_grad():
            while len(sums) < self.times:
                mean, variance = _mean_and_variance(sums)
                preview = _normalize(sums[-1], mean, variance, norm)
                sums.append(self.layer.linear(self.layer.activation(preview)))
        mean, variance = _mean_and_variance(sums)
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance, norm.momentum)
        return lambda sums: _normalize(sums, mean, variance, norm)


def _mean_and_variance(batches: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = torch.cat(batches)
    return rows.mean(dim=0), rows.var(dim=0, unbiased=False)


def _normalize(
    x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, norm: nn.BatchNorm1d
) -> torch.Tensor:
    return (x - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias


class Scores(nn.Module):
    """Linear without bias, times a learnt positive scalar: argmax of the integers is the class."""

    def __init__(self, quantization: Quantization, in_features: int, classes: int):
        super().__init__()
        self.linear = _linear(quantization, in_features, classes)
        self.scale = nn.Parameter(torch.tensor(in_features**-0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * self.scale


class MLP(nn.Module):
    """A chain of dense layers of these widths, and the scores of the classes."""

    def __init__(
        self,
        quantization: Quantization,
        input_format: InputFormat,
        hidden: tuple[int, ...],
        classes: int,
        standardized: bool = False,
        thermometer_features: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.input = Input(quantization, input_format, standardized, thermometer_features)
        widths = (self.input.out_features, *hidden)
        self.hidden = nn.Sequential(
            *(Dense(quantization, *pair) for pair in zip(widths, hidden, strict=False))
        )
        self.scores = Scores(quantization, hidden[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.hidden(self.input(x)))


def _linear(quantization: Quantization, in_features: int, out_features: int) -> nn.Module:
    bits = quantization.weight_bits
    if bits is None:
        return nn.Linear(in_features, out_features, bias=False)
    linear = qnn.QuantLinear(
        in_features, out_features, bias=False, weight_quant=weight_quantizer(bits)
    )
    # The quantizers' ranges do not follow the weights, so the weights start all over the range.
    nn.init.uniform_(linear.weight, -1, 1)
    return linear
