"""The store in one SQLite file."""

from goflow_py.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
