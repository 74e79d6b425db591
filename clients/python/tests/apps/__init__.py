"""The programs that the tests run workers of."""
