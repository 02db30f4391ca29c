"""The report on a bundle: one page, and the same figures as JSON.

facts.py     all that is said of a bundle, as one dictionary: what the page shows and --json writes
evidence.py  what was really run at each stage, from torch to the RTL, and how much of it differed
timeline.py  when each layer is at work
drawing.py   the pictures, as SVG
page.py      the page
"""
