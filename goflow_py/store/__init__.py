"""Durable memory behind ``ports.Store``: one SQLite file, or plain dicts for tests and trials.

``tests/contract/test_store.py`` holds every store to the same behaviour; ``rules`` has what they
share: which write is flawed, what a cursor looks like, which execution a filter lets through.
"""
