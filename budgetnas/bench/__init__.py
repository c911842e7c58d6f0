"""The benchmark: this engine beside the two loops that it has to beat."""
