"""What a module with several streams in or out has to do: frames, their answers, and cycles."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cocotb_build import build, run


@dataclass(frozen=True)
class StreamsCase:
    """Frames for cocotb_streams.py to judge a module by, whose streams are fields of its ports.

    `inputs[i]`, `outputs[i]`: the beats of each frame on stream i. `input_bits[i]`: bits of a beat
    of input i, whose data stands above that of the inputs before it; outputs share their data.
    `taken[i]`, `given[i]`: the cycles in which the beats of all frames move on stream i when nobody
    hesitates, counted from the first beat that is taken. `busy_cycles`: a frame, where the module
    has a port that says so.
    """

    inputs: list[list[list[int]]]
    outputs: list[list[list[int]]]
    input_bits: list[int]
    taken: list[list[int]]
    given: list[list[int]]
    busy_cycles: int | None = None

    @classmethod
    def load(cls, path: str) -> "StreamsCase":
        return cls(**json.loads(Path(path).read_text()))


def judge_streams(
    sources: Sequence[Path],
    toplevel: str,
    parameters: Mapping[str, int | str],
    case: StreamsCase,
) -> None:
    """Builds the module and runs the tests of cocotb_streams.py on it.

    Raises `SimulationError` if a test fails.
    """
    model = build(sources, toplevel, parameters)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(asdict(case)))
        run(model, "cocotb_streams", plusargs={"case": path})


def packed(fields: Sequence[int]) -> str:
    """A packed parameter of 32 bits a field, the first lowest, as Verilog writes it."""
    digits = "".join(f"{field:08x}" for field in reversed(fields))
    return f"{32 * len(fields)}'h{digits}"
