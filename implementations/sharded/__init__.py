"""Compute D-RTRL of one network on several devices, in JAX and PyTorch: each holds the traces of some neurons."""
