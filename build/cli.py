"""The command line: `bitfold COMMAND`. Each command is a file in commands/."""

from __future__ import annotations

from importlib.metadata import version

import click

from bitfold.build.commands.bitstream import bitstream_command
from bitfold.build.commands.compare import compare_command
from bitfold.build.commands.compile import compile_command
from bitfold.build.commands.demo import demo_command
from bitfold.build.commands.deploy import deploy_command
from bitfold.build.commands.diff import diff_command
from bitfold.build.commands.doctor import doctor_command
from bitfold.build.commands.emulate import emulate_command
from bitfold.build.commands.explore import explore_command
from bitfold.build.commands.export import export_command
from bitfold.build.commands.finn import finn_command
from bitfold.build.commands.inspect import inspect_command
from bitfold.build.commands.make import make_command
from bitfold.build.commands.overlay import overlay_command
from bitfold.build.commands.report import report_command
from bitfold.build.commands.run import run_command
from bitfold.build.commands.synth import synth_command
from bitfold.build.commands.train import train_command


class _InOrder(click.Group):
    """Lists its commands as they were added: in the order of the work."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("bitfold"), prog_name="bitfold")
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


for _command in (
    demo_command,
    make_command,
    train_command,
    export_command,
    explore_command,
    compile_command,
    overlay_command,
    run_command,
    emulate_command,
    compare_command,
    diff_command,
    inspect_command,
    report_command,
    deploy_command,
    synth_command,
    bitstream_command,
    finn_command,
    doctor_command,
):
    main.add_command(_command)
