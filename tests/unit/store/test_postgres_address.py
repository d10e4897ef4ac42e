"""What a message shows of a database's address: where it is, and nothing that is secret."""

import pytest

from goflow_py.store.postgres.address import shown, with_schema


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://h/db", "postgresql://h/db"),
        ("postgresql://u:secret@h:5433/db?sslmode=require", "postgresql://u@h:5433/db"),
        ("postgresql://u@[::1]:5432/db", "postgresql://u@[::1]:5432/db"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///db"),
        ("postgresql://:secret@h/db", "postgresql://h/db"),
        (
            "postgresql://u:secret@h1:1,h2:2/db?target_session_attrs=read-write",
            "postgresql://u@h1:1,h2:2/db",
        ),
        ("postgresql://u:se/c?r#e:t@h/db", "postgresql://u@h/db"),
    ],
)
def test_an_address_is_shown_without_its_password_and_options(url: str, place: str) -> None:
    assert shown(url) == place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:secret@db/goflow", "postgresql://me@db/goflow"),
        ("postgresql://db/goflow?sslmode=verify-full", "postgresql://db/goflow"),
        (
            "postgresql://me:secret@db/goflow?sslmode=require&search_path=shop",
            "postgresql://me@db/goflow?search_path=shop",
        ),
    ],
)
def test_an_address_can_be_shown_with_its_schema_and_without_its_password(
    url: str, place: str
) -> None:
    assert with_schema(url) == place
