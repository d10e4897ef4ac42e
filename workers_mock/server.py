"""The service: every path is a worker, but for the few that control the mock.

It is built on aiohttp's low-level server: no router, no middlewares, no access log, since it is
also the far end of load tests.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from aiohttp import web

from workers_mock.callbacks import Callbacks
from workers_mock.ledger import Call, Ledger
from workers_mock.rules import BadScript, Rule, encode, loads, read_rule
from workers_mock.script import Script

BACKLOG = 4_096
SHUTDOWN_SECONDS = 0.2
CALLS_A_CHUNK = 500

_JSON = {"Content-Type": "application/json"}
_ABSENT = object()
_Control = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class MockServer:
    """A mock on a socket of its own; ``async with`` starts and stops it."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        record: bool = True,
    ) -> None:
        self.script = script or Script()
        self.ledger = Ledger(record=record)
        self.url = ""
        self._host = host
        self._port = port
        self._callbacks = Callbacks()
        self._runner: web.ServerRunner | None = None
        self._controls: dict[str, dict[str, _Control]] = {
            "/_calls": {"GET": self._get_calls, "DELETE": self._delete_calls},
            "/_counts": {"GET": self._get_counts},
            "/_script": {"GET": self._get_script, "PUT": self._put_script},
            "/healthz": {"GET": self._get_health},
        }

    async def start(self) -> str:
        """Listen, and return the base URL; ``OSError`` when the address is not to be had."""
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None), shutdown_timeout=SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        """Close all; calls that are still being delayed are cut."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._callbacks.close()

    async def __aenter__(self) -> "MockServer":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # ------------------------------------------------------------ worker calls

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path in self._controls:
            return await self._control(request, self._controls[path])
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"a body has at most {request.client_max_size} bytes")
        value, is_json = _read(raw)
        action = value.get("action") if isinstance(value, dict) else None
        call = Call(
            path=path,
            alias=path[1:].partition("/")[0],
            action=action if isinstance(action, str) else "",
            headers=request.raw_headers,
            body=raw,
            is_json=is_json,
            at=time.time(),
        )
        self.ledger.count(call.action, request.headers.get("Idempotency-Key"))
        self.ledger.note(call)
        return await self._answer(request, call, value)

    async def _answer(self, request: web.BaseRequest, call: Call, value: Any) -> web.StreamResponse:
        override = request.headers.get("X-Mock")
        try:
            rule = _override(override) if override else self.script.rule(call.alias, call.action)
            if rule is None:
                return _noted(call, _echo(value))
            if rule.callback is not None:
                self._promise(rule, value)
        except BadScript as error:
            return _noted(call, _refused(422, str(error)))
        except asyncio.QueueFull:
            return _noted(call, _refused(503, "too many callbacks are open"))
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.drop:
            if request.transport is not None:
                request.transport.abort()
            # Nobody will read it: aiohttp wants something to write to the closed connection.
            return web.Response()
        return _noted(
            call, web.Response(status=rule.status, body=rule.payload, headers=rule.headers)
        )

    def _promise(self, rule: Rule, value: Any) -> None:
        url = value.get("callbackUrl") if isinstance(value, dict) else None
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise BadScript("the rule has a callback, and the call has no callbackUrl")
        if self._callbacks.full:
            raise asyncio.QueueFull
        assert rule.callback is not None
        self._callbacks.promise(rule.callback, url)

    # ------------------------------------------------------------ control

    async def _control(
        self, request: web.BaseRequest, methods: dict[str, _Control]
    ) -> web.StreamResponse:
        control = methods.get(request.method)
        if control is None:
            allowed = ", ".join(methods)
            answer = _refused(405, f"{request.path} takes {allowed}; it controls the mock itself")
            answer.headers["Allow"] = allowed
            return answer
        return await control(request)

    async def _get_health(self, _: web.BaseRequest) -> web.StreamResponse:
        return _json({"status": "ok"})

    async def _get_calls(self, request: web.BaseRequest) -> web.StreamResponse:
        unknown = sorted(set(request.query) - {"action", "alias"})
        if unknown:
            return _refused(400, f"unknown filter '{unknown[0]}'; there are action and alias")
        answer = web.StreamResponse(headers=_JSON)
        await answer.prepare(request)
        chunk = [b"["]
        calls = self.ledger.calls(
            action=request.query.get("action"), alias=request.query.get("alias")
        )
        for number, call in enumerate(calls):
            chunk.append(b",\n" + call if number else call)
            if len(chunk) >= CALLS_A_CHUNK:
                await answer.write(b"".join(chunk))
                chunk.clear()
        await answer.write_eof(b"".join([*chunk, b"]"]))
        return answer

    async def _delete_calls(self, _: web.BaseRequest) -> web.StreamResponse:
        self.ledger.clear()
        return web.Response(status=204)

    async def _get_counts(self, _: web.BaseRequest) -> web.StreamResponse:
        return _json({**self.ledger.counts(), "callbacks": self._callbacks.counts()})

    async def _get_script(self, _: web.BaseRequest) -> web.StreamResponse:
        return _json(self.script.document)

    async def _put_script(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self.script = Script.parse(await request.read())
        except web.HTTPRequestEntityTooLarge:
            return _refused(413, f"a script has at most {request.client_max_size} bytes")
        except BadScript as error:
            return _refused(422, str(error))
        return web.Response(status=204)


def _read(raw: bytes) -> tuple[Any, bool]:
    """Return the body's value and whether it is JSON at all."""
    try:
        return loads(raw), True
    except ValueError:
        return _ABSENT, False


def _override(text: str) -> Rule:
    try:
        return read_rule(loads(text), "X-Mock")
    except BadScript:
        raise
    except ValueError as error:
        raise BadScript(f"X-Mock is not JSON: {error}") from None


def _echo(value: Any) -> web.Response:
    """Answer the call's input; of a body without ``input`` (a ``raw`` call), the whole body."""
    if value is _ABSENT:
        return web.Response()
    try:
        return _json(value["input"] if isinstance(value, dict) and "input" in value else value)
    except ValueError:
        return _refused(422, "the input has a number that JSON cannot hold")


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=encode(value), headers=_JSON)


def _refused(status: int, sentence: str) -> web.Response:
    return _json({"status": status, "code": "mock", "detail": sentence}, status)


def _noted(call: Call, answer: web.Response) -> web.Response:
    call.status = answer.status
    return answer
