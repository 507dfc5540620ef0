"""Zoos: thousands of small models with a known, controlled bias, trained many at a time and kept as one matrix."""
