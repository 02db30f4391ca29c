"""Import this, and pynq finds an emulated board: `import bitfold.runtime.emulate`."""

from bitfold.runtime.emulated_board import plug_in

plug_in()
