"""Auditing a black box: which images to ask it about, and what its answers say of its bias on data that it never sees."""
