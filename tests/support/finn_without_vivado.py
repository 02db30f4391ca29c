"""Runs a build.py of `bitfold finn script` with FINN's builder, as far as it goes without Vivado.

Called with the folder. The one thing replaced is the simulator that FINN links with Vivado's: the
steps up to the estimates import it and never use it.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import finn.xsi

finn.xsi.SimEngine = None

from finn.builder.build_dataflow import build_dataflow_cfg  # noqa: E402
from finn.builder.build_dataflow_config import estimate_only_dataflow_steps  # noqa: E402

folder = Path(sys.argv[1])
config = runpy.run_path(str(folder / "build.py"), run_name="build")["CONFIG"]
config.steps = estimate_only_dataflow_steps
sys.exit(build_dataflow_cfg(folder / "network.onnx", config))
