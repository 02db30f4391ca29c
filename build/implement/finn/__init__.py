"""FINN beside bitfold: its hardware layers, estimates and build flow for the same integer network.

graph.py     a Network as FINN's hardware layers, and foldings in both directions
estimate.py  FINN's cycles and resources beside ours, layer by layer
script.py    a folder in which a user with Vivado makes FINN's own bitstream
"""
