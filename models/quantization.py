"""The quantizations that bitfold trains, by name: how wide weights, activations and inputs are."""

from dataclasses import dataclass

from bitfold.models.errors import TrainingError


@dataclass(frozen=True)
class Quantization:
    """Bits of weights and activations; None stands for float, 1 for bipolar {-1, +1}.

    Weights of 2 bits and more are signed with a narrow range (no -2^(bits-1)), activations of
    2 bits and more are unsigned. All scales are constant powers of two, so that float32
    arithmetic is exact and the integers are known without calibration.
    """

    name: str
    weight_bits: int | None
    activation_bits: int | None
    # +-1 levels a feature in place of the 8-bit integer itself; 0 is no thermometer.
    thermometer_levels: int = 0
    # Share of each weight matrix that is exactly zero.
    sparsity: float = 0.0


_ALL = (
    Quantization("float", None, None),
    Quantization("W1A1", 1, 1),
    Quantization("W1A1-thermometer", 1, 1, thermometer_levels=16),
    Quantization("W1A2", 1, 2),
    Quantization("W1A3", 1, 3),
    Quantization("W2A2", 2, 2),
    Quantization("W4A4", 4, 4),
    Quantization("W6A6-pruned", 6, 6, sparsity=0.75),
    Quantization("W8A8", 8, 8),
)
QUANTIZATIONS: dict[str, Quantization] = {quantization.name: quantization for quantization in _ALL}


def quantization(name: str) -> Quantization:
    """The quantization of that name. Raises TrainingError, naming all there are."""
    if name not in QUANTIZATIONS:
        raise TrainingError(
            f"quantization {name!r} is not known; choose one of {', '.join(QUANTIZATIONS)}"
        )
    return QUANTIZATIONS[name]
