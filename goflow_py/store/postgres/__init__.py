"""The store in PostgreSQL, for one server or many. Needs the extra ``[postgres]``."""

from goflow_py.store.postgres.keys import server_key
from goflow_py.store.postgres.store import PostgresStore

__all__ = ["PostgresStore", "server_key"]
