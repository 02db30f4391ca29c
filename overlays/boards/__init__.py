"""The boards: the system around an overlay, its hardware handoff, and the Tcl that makes it."""
