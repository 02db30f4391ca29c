"""What a network runs on: the overlays, their hardware contract and their RTL."""
