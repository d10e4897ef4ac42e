"""Settings: where they come from, what they allow, what is said when they are wrong."""

import dataclasses
import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from goflow_py import secret_files
from goflow_py.config import MASK, SETTINGS, Settings, explain, load, mask
from goflow_py.errors import StartRefused
from goflow_py.secret_files import Secrets


def refused(
    flags: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    file: Path | None = None,
) -> list[str]:
    with pytest.raises(StartRefused) as caught:
        load(flags or {}, environ or {}, file)
    errors: list[str] = caught.value.facts["errors"]
    assert caught.value.detail == "; ".join(errors)
    assert "\n" not in caught.value.detail
    return errors


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "goflow.toml"
    path.write_text(text)
    return path


# ---------------------------------------------------------------- sources


def test_defaults_hold_when_nothing_is_said() -> None:
    settings = load({}, {})
    assert settings == Settings()
    assert {settings.source(name) for name in SETTINGS} == {"default"}
    assert (settings.host, settings.port, settings.data) == (
        "127.0.0.1",
        8080,
        "./goflow-data/goflow.db",
    )
    assert settings.data_path == Path("goflow-data/goflow.db")
    assert settings.endpoint == {}
    assert settings.workers_mock is None


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "port = 1\nhost = 'file.example'\nlog_level = 'debug'\n")
    environ = {"GOFLOW_PORT": "2", "GOFLOW_HOST": "env.example"}
    settings = load({"port": 3}, environ, file)
    assert (settings.port, settings.host, settings.log_level) == (3, "env.example", "debug")
    assert [settings.source(name) for name in ("port", "host", "log_level", "data")] == [
        "flag --port",
        "env GOFLOW_HOST",
        f"file {file}",
        "default",
    ]


def test_a_flag_that_was_not_given_hides_nothing() -> None:
    flags: dict[str, Any] = {"port": None, "endpoint": [], "allow_target": ()}
    environ = {"GOFLOW_PORT": "2", "GOFLOW_ENDPOINT": "a=http://x", "GOFLOW_ALLOW_TARGET": "h"}
    settings = load(flags, environ)
    assert (settings.port, settings.endpoint, settings.allow_target) == (
        2,
        {"a": "http://x"},
        ("h",),
    )


def test_an_empty_variable_counts_as_not_set() -> None:
    environ = {setting.env: "" for setting in SETTINGS.values()}
    settings = load({}, environ)
    assert settings == Settings()
    assert settings.warnings == ()


def test_a_list_of_one_source_replaces_that_of_a_lower_one(tmp_path: Path) -> None:
    file = toml(tmp_path, "[endpoint]\na = 'http://file'\nb = 'http://file'\n")
    settings = load({"endpoint": ["a=http://flag"]}, {}, file)
    assert settings.endpoint == {"a": "http://flag"}
    assert settings.source("endpoint") == "flag --endpoint"


def test_settings_do_not_change() -> None:
    settings = load({"endpoint": ["a=http://x"]}, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.endpoint["b"] = "http://y"  # type: ignore[index]


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("host", "0.0.0.0", "0.0.0.0"),
        ("host", "::1", "::1"),
        ("host", " localhost ", "localhost"),
        ("port", "0", 0),
        ("port", 65_535, 65_535),
        ("data", "memory", "memory"),
        ("data", "postgresql://u@h:5/db?sslmode=require", "postgresql://u@h:5/db?sslmode=require"),
        ("data", Path("/var/lib/goflow.db"), "/var/lib/goflow.db"),
        ("public_url", "https://flow.example.com/base/", "https://flow.example.com/base"),
        ("endpoint", "a=http://x", {"a": "http://x"}),
        ("endpoint", "a=http://x/?q=1,2,b=https://y:8443/z", {"a": "http://x/?q=1,2", "b": "https://y:8443/z"}),
        ("endpoint", ["a = http://[::1]:80/x", "1=http://h"], {"a": "http://[::1]:80/x", "1": "http://h"}),
        ("endpoint", {"a.b": "http://x/${secret:TOKEN}"}, {"a.b": "http://x/${secret:TOKEN}"}),
        ("allow_target", "10.0.0.0/8, db.internal,", ("10.0.0.0/8", "db.internal")),
        ("allow_target", ["10.1.2.3/8", "10.0.0.0/8", "::1"], ("10.0.0.0/8", "::1")),
        ("bootstrap_key_file", "/run/key", Path("/run/key")),
        ("drain_timeout", "0", 0.0),
        ("retry_interval", "0.25", 0.25),
        ("retry_interval", 1, 1.0),
        ("log_format", "JSON", "json"),
        ("log_level", "Warning", "warning"),
        ("workers_mock", "", ""),
        ("workers_mock", "on", ""),
        ("workers_mock", True, ""),
        ("workers_mock", False, None),
        ("workers_mock", "no", None),
        ("workers_mock", "blueprints/order.mock.json", "blueprints/order.mock.json"),
        ("body_bytes_max", "2048", 2_048),
        ("retention_days", "0.5", 0.5),
    ],
)  # fmt: skip
def test_a_value_is_read(name: str, given: Any, value: Any) -> None:
    assert getattr(load({name: given}, {}), name) == value


ANY_WEB = "an http:// or https:// address"


@pytest.mark.parametrize(
    ("name", "given", "shown", "allowed"),
    [
        ("host", "a b", "'a b'", "an IP address or a host name"),
        ("host", "300.1.1.1", "'300.1.1.1'", "an IP address"),
        ("host", "http://x", "'http://x'", "an IP address"),
        ("host", "x" * 64 + ".example", "'xxx", "an IP address"),
        ("host", 5, "5", "an IP address"),
        ("host", " ", "' '", "an IP address"),
        ("host", "a\nb", r"'a\nb'", "an IP address"),
        ("port", "65536", "'65536'", "a whole number from 0 to 65535"),
        ("port", -1, "-1", "a whole number"),
        ("port", 80.5, "80.5", "a whole number"),
        ("port", True, "True", "a whole number"),
        ("port", "8_0", "'8_0'", "a whole number"),
        ("port", "\u0668\u0660", "'\u0668\u0660'", "a whole number"),
        ("port", "9" * 5_000, "'999", "a whole number"),
        ("data", ":memory:", "':memory:'", "a file, a postgresql:// address"),
        ("data", "postgres://h/db", "'postgres://h/db'", "a file, a postgresql://"),
        ("data", 5, "5", "a file"),
        ("public_url", "flow.example.com", "'flow.example.com'", ANY_WEB),
        ("public_url", "http://x/?a=b", "'http://x/?a=***'", "without query or user"),
        ("public_url", "http://u@x/", "'http://***@x/'", "without query or user"),
        ("public_url", "http://x:99999/", "'http://x:99999/'", ANY_WEB),
        ("public_url", "http://[::1/", "'http://[::1/'", ANY_WEB),
        ("endpoint", "a", "'a'", "ALIAS=URL, each alias once"),
        ("endpoint", ["a=http://x", "a=http://y"], "'a=http://y'", "each alias once"),
        ("endpoint", ["a=ftp://x"], "'a=ftp://x'", ANY_WEB),
        ("endpoint", ["a=http://x#frag"], "'a=http://x#frag'", ANY_WEB),
        ("endpoint", ["a=http://x/y z"], "'a=http://x/y z'", ANY_WEB),
        ("endpoint", ["/=http://x"], "'/=http://x'", "ALIAS=URL"),
        ("endpoint", ["a=http://"], "'a=http://'", ANY_WEB),
        ("endpoint", ["a=http://x:0"], "'a=http://x:0'", ANY_WEB),
        ("endpoint", ["a=user:pw@host"], "'a=***@host'", ANY_WEB),
        ("endpoint", {"a": 5}, "'a=5'", ANY_WEB),
        ("endpoint", 5, "5", "ALIAS=URL"),
        ("allow_target", "10.0.0.0/33", "'10.0.0.0/33'", "a network (10.0.0.0/8) or a host"),
        ("allow_target", ["ok.example", "http://x"], "'http://x'", "a network"),
        ("allow_target", [5], "5", "a network"),
        ("allow_target", 5, "5", "a network"),
        ("secrets_dir", "/no/such/dir", "'/no/such/dir'", "a directory that exists"),
        ("bootstrap_key_file", True, "True", "the path of a file"),
        ("drain_timeout", "-1", "'-1'", "a number of seconds from 0 to 3600"),
        ("drain_timeout", "30s", "'30s'", "a number of seconds"),
        ("drain_timeout", True, "True", "a number of seconds"),
        ("retry_interval", "nan", "'nan'", "a number of seconds from 0.001 to 3600"),
        ("retry_interval", 0, "0", "a number of seconds"),
        ("header_timeout", "inf", "'inf'", "a number of seconds"),
        ("header_timeout", [1], "[1]", "a number of seconds"),
        ("log_format", "xml", "'xml'", "text or json"),
        ("log_level", "loud", "'loud'", "debug, info, warning or error"),
        ("log_level", 5, "5", "debug, info, warning or error"),
        ("workers_mock", 5, "5", "true, false or the path of a script"),
        ("body_bytes_max", 1, "1", "a whole number from 1024 to 67108864"),
        ("retention_days", 36_501, "36501", "a number of days from 0 to 36500"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_is_allowed(
    name: str, given: Any, shown: str, allowed: str
) -> None:
    (error,) = refused({name: given})
    assert error.startswith(f"{name} is {shown}")
    assert f"(flag --{name.replace('_', '-')}): allowed is " in error
    assert allowed in error
    assert len(error) < 250


def test_all_mistakes_are_told_at_once_each_with_its_source(tmp_path: Path) -> None:
    file = toml(tmp_path, "retention_days = 'ever'\n")
    errors = refused({"port": 99_999}, {"GOFLOW_LOG_LEVEL": "loud"}, file)
    assert errors == [
        "port is 99999 (flag --port): allowed is a whole number from 0 to 65535",
        "log_level is 'loud' (env GOFLOW_LOG_LEVEL): allowed is debug, info, warning or error",
        f"retention_days is 'ever' (file {file}): allowed is a number of days from 0 to 36500",
    ]


def test_a_wrong_value_that_a_higher_source_hides_does_no_harm() -> None:
    assert load({"port": 1}, {"GOFLOW_PORT": "x"}).port == 1


def test_the_longest_wait_is_not_shorter_than_the_first() -> None:
    assert refused({"retry_max_interval": 2}, {"GOFLOW_RETRY_INTERVAL": "5"}) == [
        "retry_max_interval is 2 (flag --retry-max-interval): "
        "allowed is retry_interval or more, which is 5"
    ]


# ---------------------------------------------------------------- unknown names


@pytest.mark.parametrize(
    ("text", "name", "near"),
    [
        ("prot = 1", "prot", "port"),
        ("retry-interval = 1", "retry-interval", "retry_interval"),
        ("Port = 1", "Port", "port"),
        ("[endpoints]\na = 'http://x'", "endpoints", "endpoint"),
        ("sources = 1", "sources", "max_stored_bytes"),
    ],
)
def test_an_unknown_name_in_the_file_is_refused_with_the_nearest(
    tmp_path: Path, text: str, name: str, near: str
) -> None:
    file = toml(tmp_path, text)
    assert refused(file=file) == [f"{file}: '{name}' is not a setting; the nearest is {near}"]


def test_an_unknown_flag_is_refused() -> None:
    assert refused({"prot": 1}) == ["flag 'prot' is not a setting; the nearest is port"]


def test_an_unknown_variable_is_a_warning() -> None:
    environ = {"GOFLOW_PROT": "1", "GOFLOW_port": "2", "PATH": "/bin", "goflow_host": "x"}
    settings = load({}, environ)
    assert settings == Settings()
    assert settings.warnings == (
        "'GOFLOW_PROT' is not a setting; the nearest is GOFLOW_PORT",
        "'GOFLOW_port' is not a setting; the nearest is GOFLOW_PORT",
    )


def test_secrets_and_the_clients_variables_are_no_settings() -> None:
    environ = {"GOFLOW_SECRET_A": "1", "GOFLOW_SERVER": "http://x", "GOFLOW_KEY": "gf_1_2"}
    assert load({}, environ).warnings == ()


# ---------------------------------------------------------------- the file


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert refused(file=path) == [f"config file {path} cannot be read: No such file or directory"]
    assert refused(file=tmp_path) == [f"config file {tmp_path} cannot be read: Is a directory"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"port =", "Invalid value"),
        (b"port = 1\nport = 2", "Cannot overwrite a value"),
        (b"\xff", "it is not UTF-8"),
        (b"# " + b"x" * 1_048_576, "it is larger than 1048576 bytes"),
        (b"a = " + b"[" * 100_000, "recursion"),
    ],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "goflow.toml"
    path.write_bytes(content)
    (error,) = refused(file=path)
    assert error.startswith(f"config file {path} is not TOML: ")
    assert reason in error


# ---------------------------------------------------------------- showing


def test_every_setting_is_described() -> None:
    names = {entry.name for entry in dataclasses.fields(Settings)} - {"sources", "warnings"}
    assert set(SETTINGS) == names
    for name, setting in SETTINGS.items():
        assert setting.flag == f"--{name.replace('_', '-')}"
        assert setting.env == f"GOFLOW_{name.upper()}"
        assert setting.doc.endswith(".")
        assert setting.kind.allowed
        if setting.default is not None and name != "secrets_dir":
            assert setting.kind.read(setting.default) == setting.default or name == "endpoint"


def test_every_setting_is_shown_with_its_source() -> None:
    flags = {"data": "memory", "endpoint": ["a=http://x", "b=http://y"], "retry_interval": 0.5}
    rows = {name: (value, source) for name, value, source in explain(load(flags, {}))}
    assert list(rows) == list(SETTINGS)
    assert rows["data"] == ("memory", "flag --data")
    assert rows["endpoint"] == ("a=http://x, b=http://y", "flag --endpoint")
    assert rows["retry_interval"] == ("0.5", "flag --retry-interval")
    assert rows["retry_max_interval"] == ("60", "default")
    assert rows["public_url"] == ("", "default")
    assert rows["body_bytes_max"] == ("1048576", "default")


def test_nothing_secret_is_shown() -> None:
    environ = {
        "GOFLOW_SECRET_STRIPE": "hidden1",
        "GOFLOW_KEY": "gf_1_hidden2",
        "GOFLOW_SERVER": "http://me:hidden3@x",
        "GOFLOW_ENDPOINT": "a=https://me:hidden4@x/y?token=hidden5&b=hidden6",
        "PATH": "hidden7",
    }
    rows = explain(load({}, environ), environ)
    assert "hidden" not in str(rows)
    assert ("GOFLOW_SECRET_STRIPE", MASK, "env GOFLOW_SECRET_STRIPE") in rows
    assert ("GOFLOW_SERVER", "http://***@x", "env GOFLOW_SERVER") in rows
    (error,) = refused({"endpoint": ["b=ftp://me:hidden8@x?k=hidden9"]})
    assert "hidden" not in error


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://x/y", "http://x/y"),
        ("http://u:p@x:80/y?a=1&b=#c", "http://***@x:80/y?a=***&b=#c"),
        ("./plain@path", "./plain@path"),
    ],
)
def test_urls_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


# ---------------------------------------------------------------- secrets


def test_a_secret_is_a_file_first_and_a_variable_else(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from file\n")
    secrets = Secrets(tmp_path, {"GOFLOW_SECRET_token": "from env", "GOFLOW_SECRET_OTHER": "o"})
    assert secrets.secret("token") == "from file"
    assert secrets.secret("OTHER") == "o"
    assert secrets.secret("none") is None
    (tmp_path / "token").write_text("changed")
    assert secrets.secret("token") == "changed"
    assert Secrets(None, {"GOFLOW_SECRET_token": "from env"}).secret("token") == "from env"


@pytest.mark.parametrize("name", ["stripe-key", "stripe.key", "stripe:key", "STRIPE_KEY"])
def test_a_name_that_no_variable_can_have_is_found_in_capitals(name: str) -> None:
    assert Secrets(None, {"GOFLOW_SECRET_STRIPE_KEY": "s"}).secret(name) == "s"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"s", "s"),
        (b"s\n", "s"),
        (b"s\r\n", "s"),
        (b" s \n\n", " s \n"),
        ("\u00e9".encode(), "\u00e9"),
        (b"", ""),
        (b"\n", ""),
    ],
)
def test_one_newline_at_the_end_is_no_part_of_a_secret(
    tmp_path: Path, content: bytes, value: str | None
) -> None:
    (tmp_path / "s").write_bytes(content)
    assert Secrets(tmp_path, {}).secret("s") == value


@pytest.mark.parametrize(
    "name",
    ["", "..", "../s", "/etc/passwd", "a/../s", ".hidden", "s\x00", "s\n", "a" * 65, "\u00e9"],
)
def test_a_name_that_is_a_path_leads_nowhere(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    for path in (tmp_path / "s", inside / "s", inside / ".hidden"):
        path.write_text("secret")
    environ = {f"GOFLOW_SECRET_{name}": "secret"}
    assert Secrets(inside, environ).secret(name) is None


@pytest.mark.parametrize("content", [b"\xffsecret", b"secret" * 20_000, None])
def test_a_file_that_cannot_be_read_is_logged_without_its_content(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    if content is None:
        (tmp_path / "s").mkdir()
    else:
        (tmp_path / "s").write_bytes(content)
    with caplog.at_level(logging.WARNING, logger=secret_files.__name__):
        assert Secrets(tmp_path, {"GOFLOW_SECRET_s": "other"}).secret("s") == ""
    (record,) = caplog.records
    facts = SimpleNamespace(**vars(record))
    assert (record.message, facts.secret) == ("secret cannot be read", "s")
    assert "secret" not in facts.reason.replace(str(tmp_path), "").replace(os.sep, "")


def test_a_project_has_secrets_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "TOKEN").write_text("its own\n")
    (tmp_path / "file").write_text("for all")
    secret = Secrets(tmp_path, {"GOFLOW_SECRET_OTHER": "x"}).secret
    assert secret("shop/TOKEN") == "its own"
    assert [secret(name) for name in ("TOKEN", "shop/OTHER", "file/x", "shop/../file")] == [
        None
    ] * 4
