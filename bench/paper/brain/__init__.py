"""A spiking network on a connectome: how it is drawn, and the gradients of its synapses in both frameworks."""
