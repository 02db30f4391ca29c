"""Import this, and pynq finds an emulated board: `import bitfold.runtime.emulate`."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pynq's libraries warn of each other
    from bitfold.runtime.emulated_board import plug_in

plug_in()
