"""What several of the paper's experiments measure with: settings of its networks, Jacobians, medians and intervals."""
