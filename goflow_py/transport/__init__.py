"""Carries calls to workers: which addresses may be dialled, and HTTP over them."""
