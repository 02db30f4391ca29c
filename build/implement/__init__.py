"""From an overlay to a chip: synthesis, place and route, Vivado, FINN, the folder for a board."""
