"""How an overlay is driven: devices and the Accelerator that users hold."""
