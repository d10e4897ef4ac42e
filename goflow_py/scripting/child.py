"""All that a child process runs: reads a call, evaluates it in a fresh context, writes the outcome.

It trusts no script: even one that breaks out of QuickJS finds no environment, no file, no
socket, no process to start, and a parent that kills it at its limit.
"""

import json
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import quickjs

from goflow_py.scripting import (
    BROKEN,
    CALL_BYTES_MAX,
    DONE,
    HEADER,
    MESSAGE_CHARACTERS_MAX,
    OUTPUT_BYTES_MAX,
    READY,
    TIMEOUT_SECONDS_MAX,
)

MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one context."""
STACK_BYTES_MAX: Final = 512 * 1024
PROCESS_BYTES_MAX: Final = 512 * 1024 * 1024
"""Of the address space: a context, two copies of a call, and Python."""
FILES_MAX: Final = 3
"""stdin, stdout, stderr."""
CPU_SPARE_SECONDS: Final = 1
"""What the kernel allows beyond the longest evaluation, when no parent is left to end it."""

_STACK = "\n    at "
_PLACE = re.compile(r"<input>:(\d+)")
_NO_STACK = "\nundefined"
_NO_TEXT = "(Failed obtaining"
_CALLED_BY_US = "at eval (native)"


def main() -> None:
    """Evaluate what stdin asks for until it is closed."""
    source = Path(__file__).with_name("sandbox.js").read_text("utf-8")
    context, begin = prepared(source)
    confine()
    say(READY, "null")
    while (call := listen()) is not None:
        allow_another_evaluation()
        say(*evaluate(context, begin, call))
        context, begin = prepared(source)  # while the parent is busy with the reply


def confine() -> None:
    """Give up what a script has no use for. What is imported later would not be found any more."""
    for limit, most in (
        (resource.RLIMIT_AS, PROCESS_BYTES_MAX),
        (resource.RLIMIT_NOFILE, FILES_MAX),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


def allow_another_evaluation() -> None:
    """Move the limit of processor seconds, which is one for all of the process's life."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + TIMEOUT_SECONDS_MAX) + 1 + CPU_SPARE_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def listen() -> str | None:
    """Return the next call's body; none when the parent is gone or makes no sense."""
    header = sys.stdin.buffer.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    size: int = HEADER.unpack(header)[1]
    if size > CALL_BYTES_MAX:
        return None
    body = sys.stdin.buffer.read(size)
    return body.decode("utf-8") if len(body) == size else None


def say(kind: bytes, text: str) -> None:
    """Write one frame."""
    body = text.encode("utf-8")
    sys.stdout.buffer.write(HEADER.pack(kind, len(body)) + body)
    sys.stdout.buffer.flush()


def prepared(source: str) -> tuple[Any, Callable[[str], Any]]:
    """Return a fresh context for one call, and what begins the call in it."""
    context = quickjs.Context()
    context.set_memory_limit(MEMORY_BYTES_MAX)
    context.set_max_stack_size(STACK_BYTES_MAX)
    return context, context.eval(source)


def evaluate(context: Any, begin: Callable[[str], Any], call: str) -> tuple[bytes, str]:
    """Return the letter and the body of the reply to *call*."""
    try:
        output = begin(call)
        while context.execute_pending_job():
            pass  # an endless chain of promises ends as any endless loop: the parent kills it
        text: str = output()
    except quickjs.JSException as error:
        return BROKEN, json.dumps(explained(str(error)))
    size = len(text.encode("utf-8"))
    if size > OUTPUT_BYTES_MAX:
        return BROKEN, json.dumps(f"the output has {size} bytes, at most {OUTPUT_BYTES_MAX} may be")
    return DONE, text


def explained(report: str) -> str:
    """Return an error's message, and the line of the script where it was raised if that is known.

    The report goes on with the calls that were open, innermost first; below the script's own
    there are those of the sandbox.
    """
    message, _, calls = report.partition(_STACK)
    message = message.strip().removesuffix(_NO_STACK)[:MESSAGE_CHARACTERS_MAX]
    if message.startswith(_NO_TEXT):
        message = "it throws something that has no text"
    if message == "null":
        # QuickJS has no memory left for an error either.
        message = f"it is out of memory ({MEMORY_BYTES_MAX} bytes), or throws null"
    own, ours, _ = calls.partition(_CALLED_BY_US)
    place = _PLACE.search(own)
    return f"{message} (line {place[1]})" if ours and place else message


if __name__ == "__main__":
    main()
