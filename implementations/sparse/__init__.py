"""Compute with weights that are not dense: at the synapses of a fixed pattern, of a convolution, or of low rank."""
