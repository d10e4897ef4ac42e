"""goflow: a durable orchestrator for HTTP microservices.

A blueprint is a finite state machine; its workers are plain HTTP endpoints; every step is on disk
before the next one is taken. Start with ``ARCHITECTURE.md``.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("goflow-py")
except PackageNotFoundError:  # running from a bare checkout
    __version__ = "0.0.0"

__all__ = ["__version__"]
