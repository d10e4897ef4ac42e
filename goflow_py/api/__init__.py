"""The HTTP API: one file a noun, one declaration a route."""

from goflow_py.api.app import create_app
from goflow_py.api.door import Door
from goflow_py.api.guard import Guard, GuardedRunner

__all__ = ["Door", "Guard", "GuardedRunner", "create_app"]
