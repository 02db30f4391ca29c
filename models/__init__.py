"""What is computed: integer networks, the data and models they come from."""
