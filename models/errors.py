"""The one family of errors: each names the layer, the value, the limit and the remedy."""

import re

_LINE_ENDS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


class BitfoldError(Exception):
    """Base of all errors that a user can cause or has to act on.

    It reads as one line, whatever a library's own message or a name in it holds. `listed` is for
    the one exception, nodes that were refused: each becomes a line below the message.
    """

    def __init__(self, message: str = "", *listed: str):
        super().__init__(message, *listed)

    def __str__(self) -> str:
        return "\n  ".join(_LINE_ENDS.sub(" ", str(line).strip()) for line in self.args)


class DatasetError(BitfoldError):
    """Data that is missing or malformed."""


class TrainingError(BitfoldError):
    """A recipe that can't be trained, or a checkpoint that can't be loaded."""


class ExportError(BitfoldError):
    """A model whose QONNX file does not give what torch gives."""


class NetworkError(BitfoldError):
    """A network that is malformed, or that can't be loaded."""


class InputError(BitfoldError, ValueError):
    """Input of the wrong shape, dtype or range, or with NaN in it."""


class FrontendError(BitfoldError):
    """A QONNX file that can't be read or lowered to integers."""


class FoldingError(BitfoldError):
    """A folding that is illegal, or a target that none reaches."""


class OverlayError(BitfoldError):
    """A network that an overlay can't hold."""


class BundleError(BitfoldError):
    """A bundle that is damaged, incomplete or of another format."""


class DeviceError(BitfoldError):
    """A device that is missing, refuses the bundle, or failed during a call."""


class BuildIdError(DeviceError):
    """An overlay on the device that is not the one of the bundle."""


class MemoryFullError(DeviceError):
    """Memory that the overlay reaches, without enough room in it."""


class StallError(DeviceError):
    """A call that the watchdog ended: names the port that stalled."""


class OutputError(BitfoldError):
    """A file that can't be written."""


class ClassWarning(UserWarning):
    """Samples whose class a plain softmax changes."""


class InputWarning(UserWarning):
    """Samples that may not be what they are called."""


class ToolError(BitfoldError):
    """A tool that is missing or failed; `log` is all that it said."""

    def __init__(self, message: str = "", log: str = ""):
        super().__init__(message)
        self.log = log


def shown(text: object, longest: int = 80) -> str:
    """`text` from a file as part of a message of one line: printable characters, and not many."""
    text = str(text)
    text = text if len(text) <= longest else f"{text[: longest - 3]}..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
