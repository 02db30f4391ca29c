"""Why an operation can't be lowered where it stands, and what its author can do."""

from __future__ import annotations

from bitfold.build.frontend.problems import UnlowerableError
from bitfold.build.frontend.weights import MAX_BITS

NO_INPUT_QUANTIZER = (
    "the input reaches it without being quantized",
    "put a quantizer at the input, or say with input_encoding and input_scale which integers the "
    "input holds (pixels: UINT8 and 1/255)",
)
SECOND_INPUT = UnlowerableError(
    "the input is quantized by another node too",
    "share one quantizer at the input, or say with input_encoding and input_scale which integers "
    "the input holds",
)
NOT_QUANTIZED = UnlowerableError(
    "its input is not quantized", f"put a quantizer of 1 to {MAX_BITS} bits between the layers"
)
BEHIND_CHOICE = UnlowerableError(
    "it stands behind the choice of the class", "leave it out: the class index is the answer"
)
INSIDE = UnlowerableError("only the host can do it, and only behind the last layer", "leave it out")
NO_LAYERS = UnlowerableError(
    "there is no layer with weights or thresholds", "export the whole network"
)
SEVERAL_SCALES = UnlowerableError(
    "its input has a scale for each feature, which integer sums can't have",
    "quantize activations with one scale for the tensor, and branches that meet with one quantizer",
)
REORDERED = UnlowerableError(
    "it reorders the features",
    "reorder the columns of the next layer's weights and leave it out",
)
CHANNELS_MOVED = UnlowerableError(
    "the channels do not stand first in front of it",
    "export with channels first, or flatten right behind the Transpose",
)
PADDED = UnlowerableError(
    "it stands behind a Pad",
    "pad right in front of a convolution or a pooling, or in it",
)
PADS_NOTHING = UnlowerableError(
    "no convolution and no pooling stands behind it", "leave it out, or pad the output yourself"
)
NEW_MAP = UnlowerableError(
    "it makes a feature map of features", "give the input the shape of a feature map"
)
BETWEEN = UnlowerableError(
    "it stands between a quantizer and the next layer", "put the quantizer behind it"
)
SMALLEST = UnlowerableError(
    "a largest is a smallest where a factor is negative, and there is one in front of it and one "
    "between it and the quantizer",
    "put the pooling behind the quantizer",
)
