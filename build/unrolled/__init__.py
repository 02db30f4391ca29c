"""Layers as logic: every weight a wire, a frame each cycle."""
