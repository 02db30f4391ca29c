"""Whole pieces of work that commands and notebooks share."""
