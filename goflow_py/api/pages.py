"""The web pages under ``/ui/``: they need no key, and show nothing that the API does not."""

from collections.abc import Mapping

from aiohttp import web

from goflow_py.api import problems
from goflow_py.api.replies import SAFE_HEADERS, Reply, lines
from goflow_py.api.routes import Handler
from goflow_py.ui import File, Site
from goflow_py.ui.site import CSP, KEPT

HOME = "/ui/"
FILES = ("/ui/{version}/{first}", "/ui/{version}/{first}/{second}")
PATHS = ("/", "/ui", HOME, "/docs", *FILES)

_SAFE = {**SAFE_HEADERS, "Content-Security-Policy": CSP, "X-Frame-Options": "DENY"}
_ANEW = {"Cache-Control": "no-store"}


def page_handlers(site: Site) -> dict[str, Handler]:
    """Return what answers each path, by its template."""

    def page(name: str) -> Handler:
        async def handle(request: web.BaseRequest, _: Mapping[str, str]) -> Reply:
            return _reply(request, site.pages[name], _ANEW)

        return handle

    async def file(request: web.BaseRequest, names: Mapping[str, str]) -> Reply:
        path = "/".join(part for name, part in names.items() if name != "version")
        found = site.files.get(path) if names["version"] == site.version else None
        if found is None:
            detail = "there is no such file in this release; reload the page"
            return problems.problem(404, "no_file", detail, title="Not found")
        return _reply(request, found, {"Cache-Control": KEPT})

    async def home(_: web.BaseRequest, __: Mapping[str, str]) -> Reply:
        return Reply(status=302, headers={"Location": HOME})

    return dict(
        zip(PATHS, (home, home, page("index.html"), page("docs.html"), file, file), strict=True)
    )


def _reply(request: web.BaseRequest, file: File, caching: Mapping[str, str]) -> Reply:
    headers = {"ETag": file.etag, "Vary": "Accept-Encoding", **caching}
    if request.headers.get("If-None-Match") == file.etag:
        return Reply(status=304, head=_head(file), headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Reply(body=file.packed, head=_head(file), headers=headers)
    return Reply(body=file.body, head=_head(file), headers=headers)


def _head(file: File) -> str:
    safe = {name: text for name, text in _SAFE.items() if name != "Cache-Control"}
    return lines({**safe, "Content-Type": file.media_type})
