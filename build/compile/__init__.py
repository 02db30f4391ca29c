"""Network to overlay: folding, lowering, and the generated RTL."""
