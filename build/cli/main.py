"""The command line: `bitfold COMMAND`. Each command is a file in commands/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from keyword import iskeyword

import click

from bitfold.build.cli import console

# In the order of the work.
_COMMANDS = (
    *(
        "demo",
        "make",
        "train",
        "export",
        "import",
        "explore",
        "compile",
        "overlay",
        "run",
        "emulate",
    ),
    *("compare", "diff", "inspect", "report", "deploy", "synth", "bitstream", "finn"),
    *("doctor", "cache"),
)


class _Commands(Mapping[str, click.Command]):
    """The commands by name. Each is imported when it is first asked for: no command waits for the
    libraries of all others."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in _COMMANDS:
            raise KeyError(name)
        file = f"{name}_" if iskeyword(name) else name
        return getattr(import_module(f"bitfold.build.cli.commands.{file}"), f"{name}_command")

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _Bitfold(console.Group):
    """Lists its commands as they stand above."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Bitfold,
    commands=_Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="bitfold", prog_name="bitfold")
def main() -> None:
    """From a binarized or quantized network to an FPGA overlay, and back to its answers.

    \b
    bitfold demo                             all of it, on the iris data
    bitfold make DATA.csv --label COLUMN     all of it, on your own data
    bitfold train iris_64_32_32 -q W1A3      train a network
    bitfold export MODEL.safetensors         write it as QONNX
    bitfold compile MODEL.onnx               make an overlay for any QONNX file
    bitfold run MODEL.bundle --dataset iris  run it, on the RTL
    """
