"""What there is to see of an overlay: descriptions, reports, comparisons layer by layer."""
