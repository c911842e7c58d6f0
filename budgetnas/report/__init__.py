"""What was found, as tables."""
