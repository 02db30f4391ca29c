"""Finding a mismatch: two stages on the same samples, and the first place where they differ.

opening.py  which stages two paths name           stages.py    what every stage shows
sources.py  torch and QONNX, in float32           devices.py   overlays, on any device
recorded.py outputs that a board left             images.py    memory images read back
align.py    which layer of one is which of the other
compare.py  the first layer, sample and channel   place.py     what there is to say of it
search.py   all of it for two stages, with the RTL in place of what is recorded
"""
