"""A project of Django for the tests."""
