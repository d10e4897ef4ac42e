"""What a script may say, and what is said about one that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from workers_mock import BadScript, Script
from workers_mock.script import SCRIPT_BYTES_MAX


def statuses(script: Script, alias: str, action: str, count: int) -> list[int]:
    rules = [script.rule(alias, action) for _ in range(count)]
    return [rule.status for rule in rules if rule is not None]


def test_rules_are_played_in_order_and_the_last_one_for_ever() -> None:
    script = Script({"shop/pay": [{"status": 503, "times": 2}, {"status": 429}, {"status": 201}]})
    assert statuses(script, "shop", "pay", 6) == [503, 503, 429, 201, 201, 201]


def test_times_of_the_last_rule_do_not_end_it() -> None:
    script = Script({"*": [{"status": 202, "times": 1}]})
    assert statuses(script, "a", "b", 3) == [202, 202, 202]


@pytest.mark.parametrize(
    ("alias", "action", "status"),
    [
        ("shop", "pay", 201),
        ("other", "pay", 202),
        ("shop", "ship", 203),
        ("shop", "", 203),
        ("other", "ship", 208),
        ("", "", 208),
    ],
)
def test_the_most_exact_key_wins(alias: str, action: str, status: int) -> None:
    script = Script(
        {
            "*": [{"status": 208}],
            "shop/*": [{"status": 203}],
            "*/pay": [{"status": 202}],
            "shop/pay": [{"status": 201}],
        }
    )
    assert statuses(script, alias, action, 1) == [status]


def test_a_key_counts_all_calls_that_it_answers() -> None:
    script = Script({"*": [{"status": 503}, {"status": 200}]})
    assert statuses(script, "a", "b", 1) + statuses(script, "c", "d", 1) == [503, 200]


def test_nothing_fits_when_there_is_no_key_for_it() -> None:
    assert Script({"a/b": [{}]}).rule("a", "c") is None
    assert Script().rule("a", "b") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the script is not JSON"),
        ("[]", "a JSON object"),
        ('{"a/b": [{"delay": NaN}]}', "NaN is not JSON"),
        ('{"a/b": [{}], "a/b": [{}]}', 'the key "a/b" is there twice'),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff", "the script is not JSON"),
        (" " * (SCRIPT_BYTES_MAX + 1), "larger than 1048576 bytes"),
    ],
)
def test_a_text_that_is_no_script_is_refused(text: str | bytes, sentence: str) -> None:
    with pytest.raises(BadScript) as caught:
        Script.parse(text)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("key", ["a", "", "/", "a/", "/b", "a/b/c", "*/", "*/*"])
def test_a_key_that_fits_nothing_is_refused(key: str) -> None:
    with pytest.raises(BadScript, match="script key"):
        Script({key: [{}]})


@pytest.mark.parametrize("rules", [{}, {"status": 200}, [], None, "x"])
def test_a_key_has_a_list_of_rules(rules: Any) -> None:
    with pytest.raises(BadScript, match="a list of at least one rule"):
        Script({"a/b": rules})


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (5, "rule 1 is an object, not 5"),
        ({"stauts": 5}, 'unknown field "stauts"; did you mean status?'),
        ({"zzz": 5}, 'unknown field "zzz"; it may have status, body, event'),
        ({"status": 199}, "status is a whole number from 200 to 599, not 199"),
        ({"status": 600}, "status is a whole number"),
        ({"status": True}, "status is a whole number"),
        ({"status": "200"}, 'not "200"'),
        ({"status": 204, "body": {}}, "an answer of status 204 has no body"),
        ({"status": 204, "event": "x"}, "an answer of status 204 has no body"),
        ({"body": float("inf")}, "a number that JSON cannot hold"),
        ({"event": ""}, 'event is a name, not ""'),
        ({"event": 5}, "event is a name, not 5"),
        ({"delay": -1}, "delay is a number of seconds from 0 to 86400, not -1"),
        ({"delay": 86_401}, "delay is a number of seconds"),
        ({"delay": True}, "delay is a number of seconds"),
        ({"delay": "1s"}, "delay is a number of seconds"),
        ({"drop": 1}, "drop is true or false, not 1"),
        ({"times": 0}, "times is a whole number from 1"),
        ({"headers": []}, "headers is an object of texts"),
        ({"headers": {"a b": "x"}}, '"a b" is not a header name'),
        ({"headers": {"X": 5}}, "X is a text of one line, not 5"),
        ({"headers": {"X": "a\r\nY: b"}}, "X is a text of one line"),
        ({"headers": {"Content-Length": "5"}}, "Content-Length is set by the mock itself"),
        ({"callback": None}, "callback is an object, not null"),
        ({"callback": {"when": 1}}, 'callback: unknown field "when"'),
        ({"callback": {"after": None}}, "callback: after is a number of seconds"),
        ({"callback": {"body": float("nan")}}, "callback: body has a number"),
        ({"callback": {"heartbeats": {"every": 1}}}, "both every and count are needed"),
        ({"callback": {"heartbeats": {"every": 0, "count": 1}}}, "every is at least 0.001"),
        ({"callback": {"heartbeats": {"every": 1, "count": -1}}}, "count is a whole number"),
    ],
)
def test_a_wrong_rule_is_refused_in_one_sentence(rule: Any, sentence: str) -> None:
    with pytest.raises(BadScript) as caught:
        Script({"a/b": [rule]})
    assert str(caught.value).startswith('script key "a/b", rule 1')
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_number_of_the_wrong_rule_is_named() -> None:
    with pytest.raises(BadScript, match="rule 2"):
        Script({"a/b": [{}, {"x": 1}]})


def test_a_file_is_read_and_named_when_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    with pytest.raises(BadScript, match=r"script\.json: No such file"):
        Script.read(path)
    path.write_text("{")
    with pytest.raises(BadScript, match=r"script\.json: the script is not JSON"):
        Script.read(path)
    path.write_text(json.dumps({"*": [{"status": 201}]}))
    assert statuses(Script.read(path), "a", "b", 1) == [201]
