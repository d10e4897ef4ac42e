"""The player as a fixture."""

import pytest

from tests.player import Player


@pytest.fixture
def play() -> type[Player]:
    return Player
