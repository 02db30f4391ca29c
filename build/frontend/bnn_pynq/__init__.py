"""Networks of BNN-PYNQ, from the parameter files that it ships: a front end of its own.

Source: Xilinx/BNN-PYNQ, bnn/params and bnn/src/network (file formats and config.h).
"""

from bitfold.build.frontend.bnn_pynq.network import is_bnn_pynq, read_bnn_pynq

__all__ = ["is_bnn_pynq", "read_bnn_pynq"]
