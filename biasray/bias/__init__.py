"""Controlled bias: pure functions from a table of examples to a table, with the cells that came out."""
