"""Networks on the offload engine: split into steps, assembled, scheduled and driven."""
