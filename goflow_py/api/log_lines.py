"""How log lines are written: one event is one line, whatever its facts hold."""

import json
import logging
import re

from goflow_py.domain.durations import rfc3339

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _OWN_FIELDS}


class JsonLines(logging.Formatter):
    """One JSON object a line: a constant message, and facts."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": rfc3339(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """One line for people; the facts follow the message."""

    def format(self, record: logging.LogRecord) -> str:
        facts = "".join(f" {name}={value}" for name, value in _facts(record).items())
        when = rfc3339(int(record.created * 1000))
        line = _one_line(f"{when} {record.levelname.lower():7} {record.getMessage()}{facts}")
        if not record.exc_info:
            return line
        # Indented: what somebody wrote into an error must not look like a line of its own.
        return "\n    ".join(
            [line, *map(_one_line, self.formatException(record.exc_info).splitlines())]
        )


def _one_line(text: str) -> str:
    """Write what would end a line, or move a terminal's cursor, as an escape."""
    return _CONTROLS.sub(lambda found: repr(found.group())[1:-1], text)
