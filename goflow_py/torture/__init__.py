"""Torture: the product under faults, the notes of all who saw it, and the judge of both."""
