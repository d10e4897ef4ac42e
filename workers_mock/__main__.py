"""``python -m workers_mock``: one mock, until SIGTERM."""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from workers_mock.rules import BadScript
from workers_mock.script import Script
from workers_mock.server import MockServer

EXIT_REFUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT, and return the exit code."""
    options = _parser().parse_args(argv)
    try:
        script = Script.read(options.script) if options.script else Script()
    except BadScript as error:
        print(f"workers_mock: {error}", file=sys.stderr)
        return EXIT_REFUSED
    server = MockServer(script, host=options.host, port=options.port, record=options.record)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(server, child=options.child))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workers_mock", description="A worker that plays any action, for demos and tests."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=8090, help="0 takes any free port")
    parser.add_argument("--script", type=Path, help="JSON file of rules; without one it echoes")
    parser.add_argument(
        "--child", action="store_true", help="end when standard input is closed: with its parent"
    )
    parser.add_argument(
        "--no-record", dest="record", action="store_false", help="count calls, do not keep them"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not '{text}'")
    return int(text)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _run(server: MockServer, *, child: bool) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if child:
        # A parent that was killed closes nothing in an orderly way, but its end of the pipe.
        loop.add_reader(sys.stdin.fileno(), ended.set)
    try:
        url = await server.start()
    except OSError as error:
        print(f"workers_mock: cannot listen: {error.strerror or error}", file=sys.stderr)
        return EXIT_REFUSED
    gc.freeze()
    print(f"ready {url}", flush=True)
    await ended.wait()
    await server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
