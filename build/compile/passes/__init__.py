"""Steps from a network to an overlay, one a file."""
