"""Provide what all algorithms share: the network, the adjoint recursion, blocks of steps."""
