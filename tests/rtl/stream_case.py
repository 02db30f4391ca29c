"""What a module with one stream in and one out has to do: frames, their answers, and cycles."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cocotb_build import build, run


@dataclass(frozen=True)
class StreamCase:
    """Frames for cocotb_stream.py to judge a module by.

    `inputs`, `outputs`: the beats of each frame. `taken`, `given`: the cycles in which the beats of
    all frames move when neither side hesitates, counted from the first one taken. `busy_cycles`: a
    frame, where the module has a port that says so. `capacity`: how many beats the module takes
    when none is taken from it, where its header says so.
    """

    inputs: list[list[int]]
    outputs: list[list[int]]
    taken: list[int]
    given: list[int]
    busy_cycles: int | None = None
    capacity: int | None = None

    @classmethod
    def load(cls, path: str) -> "StreamCase":
        return cls(**json.loads(Path(path).read_text()))


def judge(
    sources: Sequence[Path],
    toplevel: str,
    parameters: Mapping[str, int],
    case: StreamCase,
    images: Mapping[str, str] | None = None,
) -> None:
    """Builds the module and runs the tests of cocotb_stream.py on it; `images`: text by file name.

    Raises `SimulationError` if a test fails.
    """
    assert any(case.inputs)
    assert any(case.outputs)
    model = build(sources, toplevel, parameters)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(asdict(case)))
        for name, text in (images or {}).items():
            (Path(folder) / name).write_text(text)
        run(model, "cocotb_stream", plusargs={"case": path, "images": folder})


def steady(beats: int, every: int = 1, start: int = 0) -> list[int]:
    """The cycles of `beats` beats that move every `every` cycles from `start` on."""
    return [start + every * i for i in range(beats)]
