"""The dataflow overlay: made for one network, every layer on chip, wired by streams.

    input port -> link -> stage [-> stage wired directly] -> link -> ... -> link -> output port

design.py is the whole; stages/ has a file for each kind of stage, link.py what lies between two.
What stands here mirrors the RTL module for module: a stage or link says which parameters its module
gets, when beats leave it if they come at given cycles, and what integers it makes.
"""
