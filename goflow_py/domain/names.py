"""The words that the language keeps for itself, and the grammar of all others."""

import difflib
import re
from collections.abc import Iterable

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}\Z")

INIT, DONE, FAILED, CANCELLED = "init", "done", "failed", "cancelled"
FINAL_STATES = {DONE: "completed", FAILED: "failed", CANCELLED: "cancelled"}
RESERVED_STATES = frozenset({INIT, *FINAL_STATES})

CONTINUE = "continue"

START, SUCCESS, ERROR, TIMEOUT, ALWAYS, CANCEL = (
    "start",
    "success",
    "error",
    "timeout",
    "always",
    "cancel",
)
ENGINE_EVENTS = frozenset({START, SUCCESS, ERROR, TIMEOUT, ALWAYS, CANCEL})
"""Raised by the engine, never accepted from outside (``cancel`` through its call only)."""

ROOTS = frozenset({"input", "data", "event", "error", "execution", "result"})
"""What expressions see beside the states; no state may have these names."""

ANY_STATE = "*"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that *word* was most likely meant to be."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence: the nearest known word, or nothing."""
    near = nearest(word, known)
    return f"; did you mean '{near}'?" if near else ""
