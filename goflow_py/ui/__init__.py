"""The web pages: files that a browser runs as they are, and what they are sent with."""

from goflow_py.ui.site import File, Site

__all__ = ["File", "Site"]
