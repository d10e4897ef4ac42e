"""Runs the JavaScript of ``script`` actions in child processes that are killed at their limit.

``pool`` is the parent's side: it lends out warm children, keeps the time, reads the outcome.
``child`` is all that a child runs: one fresh QuickJS context a call, and no way to anything else.
``sandbox.js`` is the first thing in that context: it gives the script ``$`` and reads it again.
Here stands what both sides agree on, so that neither has to import the other.

A frame, either way, is one letter, the length of its body, and the body: one JSON text.
"""

import struct
from typing import Final

HEADER: Final = struct.Struct(">cI")
EVALUATE: Final = b"e"
"""To the child: ``{script, document, nowMs, seed}``."""
READY: Final = b"r"
"""From the child, once, when it is warm: ``null``."""
DONE: Final = b"d"
"""From the child: the output, an object."""
BROKEN: Final = b"b"
"""From the child: why there is no output, a text."""

TIMEOUT_SECONDS: Final = 0.25
"""Of an evaluation that declares none."""
TIMEOUT_SECONDS_MAX: Final = 10.0
CALL_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a frame to the child: the script and its document."""
OUTPUT_BYTES_MAX: Final = 1024 * 1024
MESSAGE_CHARACTERS_MAX: Final = 500
"""Of why a script is broken."""
