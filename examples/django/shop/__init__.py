"""A shop whose invoices are written in the background."""
