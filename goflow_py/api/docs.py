"""The routes for people: one page made of the same declarations, with nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby

from aiohttp import web

from goflow_py import __version__
from goflow_py.api.op import Op
from goflow_py.api.replies import SAFE_HEADERS, Reply, lines
from goflow_py.api.routes import Handler

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2rem; text-transform: capitalize }
table { border-collapse: collapse; width: 100% }
td { padding: .3rem .6rem .3rem 0; vertical-align: top; border-top: 1px solid #8884 }
td:first-child { width: 4.5rem; font-weight: 600 }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
small { opacity: .7 }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CSP = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; frame-ancestors 'none'; base-uri 'none'"


def docs_handler(ops: Iterable[Op]) -> Handler:
    """Return a handler of the page."""
    body = _page(list(ops)).encode()
    head = lines(
        {
            **SAFE_HEADERS,
            "Content-Security-Policy": CSP,
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
            "Content-Type": "text/html; charset=utf-8",
        }
    )

    async def handle(_: web.BaseRequest, __: Mapping[str, str]) -> Reply:
        return Reply(body=body, head=head)

    return handle


def _page(ops: list[Op]) -> str:
    rooms = "".join(
        f"<h2>{escape(tag)}</h2><table>{''.join(map(_row, group))}</table>"
        for tag, group in groupby(ops, key=lambda op: op.tag)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>goflow API</title><style>{_STYLE}</style>"
        f"<h1>goflow {escape(__version__)}</h1>"
        "<p>Every call, made from the handlers. The same for programs: "
        '<a href="/openapi.json">openapi.json</a>. '
        '<a href="/healthz">health</a> · <a href="/readyz">ready</a> · '
        '<a href="/metrics">metrics</a></p>'
        f"{rooms}</html>"
    )


def _row(op: Op) -> str:
    body = op.body or op.raw
    fields = ", ".join(f.alias or name for name, f in body.model_fields.items()) if body else ""
    query = (
        ", ".join(f.alias or name for name, f in op.query.model_fields.items()) if op.query else ""
    )
    facts = [
        f"body: {fields}" if fields and fields != "root" else "",
        f"query: {query}" if query else "",
        "Idempotency-Key" if op.idempotent else "",
        "If-Match" if op.matches else "",
        "answers " + ", ".join(str(status) for status in op.answers),
        "scope " + " or ".join(op.scopes),
    ]
    detail = escape(" · ".join(fact for fact in facts if fact))
    return (
        f"<tr><td>{op.method}</td><td><code>{escape(op.path)}</code><br>"
        f"{escape(op.summary)}<br><small>{detail}</small></td></tr>"
    )
