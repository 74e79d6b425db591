"""The example's tables."""
