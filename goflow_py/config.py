"""Settings: flags over ``GOFLOW_*`` variables over a TOML file over defaults, each with its source.

``Settings`` is the whole list: its fields, with what they allow and what they are for, give the
variables' names, the documentation and the rows of ``goflow config``. A list or table given by
one source replaces that of a lower one.
"""

import dataclasses
import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from goflow_py.errors import StartRefused
from goflow_py.secret_files import NAME, SECRET_PREFIX, read_text

ENV_PREFIX = "GOFLOW_"
CLIENT_VARIABLES = frozenset({"GOFLOW_SERVER", "GOFLOW_KEY"})
IN_MEMORY, DATABASE = "memory", "postgresql://"
MASK = "***"

CONFIG_BYTES_MAX = 1_048_576
SHOWN_CHARACTERS_MAX = 80

# ---------------------------------------------------------------- what a setting may be

_LABEL = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
# A comma parts two endpoints only before `ALIAS=scheme://`: a URL may have commas of its own.
_NEXT_ENDPOINT = re.compile(r",(?=\s*[A-Za-z0-9_][A-Za-z0-9_.:-]*=[A-Za-z][A-Za-z0-9+.-]*://)")
_COMMA = re.compile(",")
_ODD_FILE = re.compile(r":|(?!postgresql://).*://")
_YES, _NO = ("", "1", "true", "yes", "on"), ("0", "false", "no", "off")


class _Wrong(Exception):
    """A value is not allowed; its argument is the part that is wrong."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting may be: in words, and as the reading of a text or a TOML value."""

    allowed: str
    read: Callable[[Any], Any]


def _kind(
    allowed: str,
    good: Callable[[str], bool],
    made: Callable[[str], Any] = str,
    types: tuple[type, ...] = (str, Path),
) -> Kind:
    def read(value: Any) -> Any:
        right = isinstance(value, types) and not isinstance(value, bool)
        text = str(value).strip() if right else ""
        try:
            if text and text.isprintable() and good(text):
                return made(text)
        except ValueError:
            pass
        raise _Wrong(value)

    return Kind(allowed, read)


def _whole(least: int, most: int) -> Kind:
    def good(text: str) -> bool:
        return text.isascii() and text.isdecimal() and least <= int(text) <= most

    return _kind(f"a whole number from {least} to {most}", good, int, (str, int))


def _number(least: float, most: float, what: str = "seconds") -> Kind:
    def good(text: str) -> bool:
        return least <= float(text) <= most

    return _kind(f"a number of {what} from {least:g} to {most:g}", good, float, (str, int, float))


def _choice(*words: str) -> Kind:
    allowed = f"{', '.join(words[:-1])} or {words[-1]}"
    return _kind(allowed, lambda text: text.lower() in words, str.lower)


def _is_host(text: str) -> bool:
    # A last part of digits alone is a mistyped address (300.1.1.1), never a name.
    named = bool(_HOST.match(text)) and not text.rpartition(".")[2].isdigit()
    return named or bool(ipaddress.ip_address(text))


def _block(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False)) if "/" in text else text


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    plain = parts.scheme in ("http", "https") and parts.port != 0 and not parts.fragment
    return plain and " " not in text and _is_host(parts.hostname or "")


_WEB = "an http:// or https:// address"
_ADDRESS = _kind("an IP address or a host name", _is_host)
_BASE = _kind(
    f"{_WEB} without query or user",
    lambda text: _is_url(text) and not set("?@") & set(text),
    lambda text: text.rstrip("/"),
)
# SQLite's own word for memory, and URLs, would silently become odd file names.
_DATA = _kind("a file, a postgresql:// address, or memory", lambda text: not _ODD_FILE.match(text))
_DIRECTORY = _kind("a directory that exists", lambda text: Path(text).is_dir(), Path)
_FILE, _URL = _kind("the path of a file", lambda _: True, Path), _kind(_WEB, _is_url)
_SECONDS, _RATE = _number(0.001, 3_600), _number(0.001, 1_000_000, "starts")
_LEASE = _number(1, 300)
_DAYS, _CALLS, _MANY = _number(0, 36_500, "days"), _whole(1, 100_000), _whole(0, 10**15)
_TARGET = _kind("a network (10.0.0.0/8) or a host", lambda t: "/" in t or _is_host(t), _block)


def _mock(value: Any) -> str | None:
    word = str(value).strip().lower() if isinstance(value, str | bool) else None
    if word in _YES:
        return ""
    return None if word in _NO else str(_FILE.read(value))


def _items(value: Any, comma: re.Pattern[str]) -> Iterable[Any]:
    if isinstance(value, str):
        return [part for part in comma.split(value) if part.strip()]
    if isinstance(value, list | tuple):
        return value
    raise _Wrong(value)


def _targets(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_TARGET.read(item) for item in _items(value, _COMMA)))


def _endpoints(value: Any) -> Mapping[str, str]:
    if isinstance(value, Mapping):
        value = [f"{alias}={url}" for alias, url in value.items()]
    found: dict[str, str] = {}
    for item in _items(value, _NEXT_ENDPOINT):
        alias, _, url = str(item).partition("=")
        try:
            if not NAME.match(alias.strip()) or alias.strip() in found:
                raise _Wrong(alias)
            found[alias.strip()] = _URL.read(url)
        except _Wrong:
            raise _Wrong(item) from None
    return MappingProxyType(found)


_MOCK = Kind("true, false or the path of a script", _mock)
_TARGETS = Kind(_TARGET.allowed, _targets)
_ENDPOINTS = Kind(f"ALIAS=URL, each alias once, the URL {_WEB}", _endpoints)

# ---------------------------------------------------------------- the settings

_LEVELS = ("debug", "info", "warning", "error")
_NONE: Mapping[str, str] = MappingProxyType({})


def _set(default: Any, kind: Kind, doc: str) -> Any:
    return field(default_factory=lambda: default, metadata={"kind": kind, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that a server can be told. ``Settings()`` has the defaults; ``load`` reads the rest."""

    host: str = _set("127.0.0.1", _ADDRESS, "Address to listen on; only loopback needs no keys.")
    port: int = _set(8080, _whole(0, 65_535), "Port to listen on; 0 takes any free one.")
    data: str = _set("./goflow-data/goflow.db", _DATA, "The SQLite file, or PostgreSQL, or memory.")
    public_url: str | None = _set(None, _BASE, "Base of callback URLs; if none, where it listens.")
    endpoint: Mapping[str, str] = _set(_NONE, _ENDPOINTS, "Where an endpoint alias leads.")
    allow_target: tuple[str, ...] = _set((), _TARGETS, "Private network that workers may be in.")
    secrets_dir: Path | None = _set(None, _DIRECTORY, "Directory with a file for each secret.")
    bootstrap_key_file: Path | None = _set(None, _FILE, "File of the first administrator's key.")
    drain_timeout: float = _set(30.0, _number(0, 3_600), "Time that calls get to end on shutdown.")
    retry_interval: float = _set(1.0, _SECONDS, "First wait of workers that declare no retry.")
    retry_max_interval: float = _set(60.0, _SECONDS, "Longest wait of workers that declare none.")
    log_format: str = _set("text", _choice("text", "json"), "How log lines are written.")
    log_level: str = _set("info", _choice(*_LEVELS), "Least level of a log line that is written.")
    workers_mock: str | None = _set(None, _MOCK, "Runs mock workers too, by a script or without.")
    body_bytes_max: int = _set(1_048_576, _whole(1_024, 67_108_864), "Largest body, in or out.")
    connections_max: int = _set(1_000, _whole(1, 100_000), "Most client connections at one time.")
    header_timeout: float = _set(10.0, _SECONDS, "Time for a client to send a request's headers.")
    body_timeout: float = _set(30.0, _SECONDS, "Time for a client to send a request's body.")
    calls_in_flight_max: int = _set(2_000, _CALLS, "Most worker calls at one time.")
    max_running: int | None = _set(None, _MANY, "Most executions of a project that run or wait.")
    starts_per_second: float | None = _set(None, _RATE, "Most starts of a project in a second.")
    max_open_calls: int | None = _set(None, _CALLS, "Most calls of a project at one time.")
    max_stored_bytes: int | None = _set(None, _MANY, "Most bytes of a project's executions.")
    lease: float = _set(10.0, _LEASE, "How long a dead node's work waits, with PostgreSQL.")
    retention_days: float = _set(30.0, _DAYS, "How long ended executions stay.")

    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Where values come from: ``flag --port``, ``env GOFLOW_PORT``, ``file goflow.toml``."""
    warnings: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """What is worth a log line: variables that look like settings and are none."""

    @property
    def data_path(self) -> Path | None:
        """Return the SQLite file; None when the data is in memory, or in a database."""
        return None if self.data == IN_MEMORY or self.has_database else Path(self.data)

    @property
    def has_database(self) -> bool:
        """Tell whether the data is in PostgreSQL, which any number of servers can share."""
        return self.data.startswith(DATABASE)

    def source(self, name: str) -> str:
        """Return where the value of *name* comes from."""
        return self.sources.get(name, "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as the documentation shows it."""

    name: str
    flag: str
    env: str
    default: Any
    kind: Kind
    doc: str


def _described() -> Iterator[Setting]:
    for entry in dataclasses.fields(Settings):
        name, default = entry.name, getattr(Settings(), entry.name)
        flag, env = f"--{name.replace('_', '-')}", ENV_PREFIX + name.upper()
        if entry.metadata:
            yield Setting(name=name, flag=flag, env=env, default=default, **entry.metadata)


SETTINGS: Mapping[str, Setting] = MappingProxyType({item.name: item for item in _described()})
"""Every setting by its name, in the order in which they are shown."""

# ---------------------------------------------------------------- loading


def load(
    flags: Mapping[str, Any], environ: Mapping[str, str], config_file: Path | None = None
) -> Settings:
    """Return the settings; *flags* holds those given explicitly (None, or no items: not given).

    An empty variable counts as not set. Raises ``StartRefused`` with all mistakes in one line;
    its fact ``errors`` lists them.
    """
    errors: list[str] = []
    known = {setting.env: name for name, setting in SETTINGS.items()}
    given = {name: value for name, value in flags.items() if value not in (None, [], (), {})}
    variables = {known[name]: text for name, text in environ.items() if name in known and text}
    document = {} if config_file is None else _document(config_file, errors)
    errors.extend(f"flag {_unknown(name, SETTINGS)}" for name in given if name not in SETTINGS)
    errors.extend(
        f"{config_file}: {_unknown(name, SETTINGS)}" for name in document if name not in SETTINGS
    )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, setting in SETTINGS.items():
        # Lowest first: the last source that names a setting gives its value.
        for layer, source in (
            (document, f"file {config_file}"),
            (variables, f"env {setting.env}"),
            (given, f"flag {setting.flag}"),
        ):
            if name in layer:
                values[name], sources[name] = layer[name], source
    for name, value in values.items():
        try:
            values[name] = SETTINGS[name].kind.read(value)
        except _Wrong as wrong:
            bad = f"{name} is {_shown(wrong.args[0])} ({sources[name]})"
            errors.append(f"{bad}: allowed is {SETTINGS[name].kind.allowed}")
    warnings = tuple(_unknown(name, known) for name in sorted(environ) if _is_odd(name, known))
    settings = Settings(**values, sources=sources, warnings=warnings)
    if not errors and settings.retry_max_interval < settings.retry_interval:
        bad = f"retry_max_interval is {settings.retry_max_interval:g}"
        least = f"retry_interval or more, which is {settings.retry_interval:g}"
        errors.append(f"{bad} ({settings.source('retry_max_interval')}): allowed is {least}")
    if errors:
        raise StartRefused("; ".join(errors), errors=errors)
    return settings


def _document(path: Path, errors: list[str]) -> Mapping[str, Any]:
    try:
        return tomllib.loads(read_text(path, CONFIG_BYTES_MAX))
    except OSError as error:
        errors.append(f"config file {path} cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        errors.append(f"config file {path} is not TOML: {' '.join(str(error).split())}")
    return {}


def _is_odd(name: str, known: Iterable[str]) -> bool:
    ours = name.startswith(ENV_PREFIX) and not name.startswith(SECRET_PREFIX)
    return ours and name not in known and name not in CLIENT_VARIABLES


def _unknown(name: str, known: Iterable[str]) -> str:
    word = name.upper() if name.startswith(ENV_PREFIX) else name.lower().replace("-", "_")
    nearest = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0)[0]
    return f"{_shown(name)} is not a setting; the nearest is {nearest}"


# ---------------------------------------------------------------- showing

_USER = re.compile(r"(?<=://)[^/?#\s]*@|[^/?#=\s'\"]+:[^/?#\s]*@")
_QUERY = re.compile(r"([?&][^=&#\s]*=)[^&#\s'\"]+")


def explain(settings: Settings, environ: Mapping[str, str] = _NONE) -> list[tuple[str, str, str]]:
    """Return name, value and source of every setting, and of the secrets and keys of *environ*.

    What is secret is masked.
    """
    rows = [(name, _written(getattr(settings, name)), settings.source(name)) for name in SETTINGS]
    for name in sorted(environ):
        if name.startswith(SECRET_PREFIX) or name in CLIENT_VARIABLES:
            value = mask(environ[name]) if name == "GOFLOW_SERVER" else MASK
            rows.append((name, value, f"env {name}"))
    return rows


def mask(text: str) -> str:
    """Return *text* with the user, password and query values of URLs hidden."""
    return _QUERY.sub(rf"\1{MASK}", _USER.sub(f"{MASK}@", text))


def _written(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:g}"
        case Mapping():
            return ", ".join(mask(f"{alias}={url}") for alias, url in value.items())
        case tuple():
            return ", ".join(value)
        case _:
            return mask(str(value))


def _shown(value: object) -> str:
    text = mask(repr(value))
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[: SHOWN_CHARACTERS_MAX - 3]}..."
