"""A module without tasks."""
