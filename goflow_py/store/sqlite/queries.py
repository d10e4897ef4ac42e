"""The statements of ``queries.sql``, by name: SQL is read there, and never built."""

from importlib.resources import files
from types import MappingProxyType

from goflow_py.store.statements import parse as parse

SQL = MappingProxyType(parse(files(__package__).joinpath("queries.sql").read_text("utf-8")))
