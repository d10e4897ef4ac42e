"""A URL is read as httpx reads it, where it is read at all."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goflow_py.transport.urls import Target, read_url

PIECES = "http:// [ ] [::1] : :: / ? % %25 %41 .. . /../ /./ - _ a b localhost 127.0.0.1 :80 :8080"
PIECES += ' xn-- v1. \u00df \u3002 \u24db ; { } $ | " < > ` ^ ~ ! ( ) = & + , \u00e9 \U0001f600'
HOSTS = ["h", "h.example", "[::1]", "10.0.0.1", "b\u00fccher.example", "h:80", "h:8080", ""]


@given(
    st.sampled_from(["http://", "https://"]),
    st.sampled_from(HOSTS),
    st.lists(st.sampled_from(PIECES.split(" ")), max_size=8),
)
def test_two_readers_agree_about_every_url_that_is_taken(
    scheme: str, host: str, pieces: list[str]
) -> None:
    text = scheme + host + "".join(pieces)
    ours = read_url(text)
    if isinstance(ours, Target):
        theirs = httpx.URL(text)
        port = theirs.port or {"http": 80, "https": 443}[theirs.scheme]
        assert ours.origin == (theirs.scheme == "https", theirs.raw_host.decode(), port)
        assert ours.netloc == theirs.netloc.decode()
        assert ours.path == theirs.raw_path.decode()
        again = read_url(str(ours))
        assert isinstance(again, Target)
        assert (again.origin, again.path) == (ours.origin, ours.path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("http://h", "/"),
        ("http://h?a=b", "/?a=b"),
        ("http://h/a/./b/../c", "/a/c"),
        ("http://h/../../a", "/a"),
        ("http://h/a/..", "/"),
        ("http://h/a/../", "/"),
        ("http://h//a/../../b", "/b"),
        ("http://h/%2e%2e/a", "/%2e%2e/a"),
        ("http://h/a%2Fb?x=%20+1&y=%C3%A9", "/a%2Fb?x=%20+1&y=%C3%A9"),
        ("http://h/\u00e9?\u00e9={}", "/%C3%A9?%C3%A9={}"),
        ("http://h/a?b?c/../d", "/a?b?c/../d"),
    ],
)
def test_a_path_goes_over_the_wire_as_it_was_written_or_quoted(text: str, path: str) -> None:
    found = read_url(text)
    assert isinstance(found, Target)
    assert found.path == path
