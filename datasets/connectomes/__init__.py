"""Connectomes: which neuron synapses onto which, how often, and with which sign."""
