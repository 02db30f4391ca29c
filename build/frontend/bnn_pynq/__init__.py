"""Networks of BNN-PYNQ, from the parameter files that it ships: a front end of its own.

Source: Xilinx/BNN-PYNQ, bnn/params and bnn/src/network (file formats and config.h).
"""

from bitfold.build.frontend.bnn_pynq.network import read_bnn_pynq, read_folding

__all__ = ["read_bnn_pynq", "read_folding"]
