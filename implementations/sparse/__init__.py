"""Networks of sparse weights: a fixed pattern of synapses, one weight, one gradient and one trace for each."""
