"""Foreign names as names of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.domain.names import NAME
from goflow_py.importers.names import (
    ACTIONS_TAKEN,
    EVENTS_TAKEN,
    LABELS_TAKEN,
    STATES_TAKEN,
    TASKS_TAKEN,
    Names,
    slug,
)

LONG = "x" * 70


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("add-params-action", "add-params-action"),
        ("Deliver Pizza", "Deliver_Pizza"),
        ("größe", "gr__e"),
        ("-1", "_1"),
        (".hidden", "_hidden"),
        ("", "_"),
        ("a/b#c", "a_b_c"),
        ("line\n", "line_"),
        (LONG, "x" * 64),
    ],
)
def test_each_character_that_no_name_can_have_becomes_an_underscore(
    original: str, name: str
) -> None:
    assert slug(original) == name


def test_two_originals_never_share_a_name() -> None:
    names = Names(["a b", "a?b", "a#b"])
    assert [names.of("a b"), names.of("a?b"), names.of("a#b")] == ["a_b", "a_b_2", "a_b_3"]


def test_an_original_that_fits_keeps_its_name_whatever_comes_before_it() -> None:
    names = Names(["a b", "a_b"])
    assert (names.of("a_b"), names.of("a b")) == ("a_b", "a_b_2")


def test_the_number_of_a_collision_stays_within_the_length_of_a_name() -> None:
    names = Names([LONG, LONG + "y"])
    assert names.of(LONG + "y") == "x" * 62 + "_2"


@pytest.mark.parametrize(
    ("taken", "word"),
    [
        (STATES_TAKEN, "init"),
        (STATES_TAKEN, "done"),
        (STATES_TAKEN, "input"),
        (ACTIONS_TAKEN, "continue"),
        (ACTIONS_TAKEN, "done"),
        (EVENTS_TAKEN, "success"),
        (LABELS_TAKEN, "timeout"),
        (TASKS_TAKEN, "output"),
    ],
)
def test_a_reserved_word_gets_a_number(taken: frozenset[str], word: str) -> None:
    names = Names([word], taken=taken)
    assert names.of(word) == f"{word}_2"
    assert names.meta(word) == {"name": word}


def test_a_label_may_be_success_or_error() -> None:
    names = Names(["success", "error"], taken=LABELS_TAKEN)
    assert names.changed() == {}


def test_what_has_no_foreign_name_gets_a_free_one() -> None:
    names = Names(["4_9"])
    assert [names.new("4_9"), names.new("4_9"), names.of("4_9")] == ["4_9_2", "4_9_3", "4_9"]


def test_a_name_that_was_kept_has_nothing_to_say_in_meta() -> None:
    names = Names(["a", "b c"])
    assert (names.meta("a"), names.meta("b c")) == ({}, {"name": "b c"})
    assert names.changed() == {"b_c": "b c"}


@given(originals=st.lists(st.text(max_size=70), unique=True))
def test_all_names_are_different_and_within_the_rule(originals: list[str]) -> None:
    names = Names(originals, taken=STATES_TAKEN)
    given_out = [names.of(original) for original in originals]
    assert len(set(given_out)) == len(originals)
    assert all(NAME.match(name) for name in given_out)
    assert not STATES_TAKEN.intersection(given_out)
