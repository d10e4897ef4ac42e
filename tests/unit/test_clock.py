"""The machine's own time and chance."""

from goflow_py.clock import CHANCE_BYTES, SystemClock, uuid7


def test_no_random_byte_is_handed_out_twice() -> None:
    clock = SystemClock()
    chunks = [clock.token_bytes(8) for _ in range(4 * CHANCE_BYTES // 8 + 3)]
    assert len(set(chunks)) == len(chunks)
    assert {len(chunk) for chunk in chunks} == {8}


def test_more_random_bytes_than_are_in_stock_come_whole() -> None:
    clock = SystemClock()
    clock.token_bytes(CHANCE_BYTES - 1)
    assert len(clock.token_bytes(2)) == 2
    assert len(clock.token_bytes(3 * CHANCE_BYTES)) == 3 * CHANCE_BYTES


def test_ids_sort_by_their_time_of_birth() -> None:
    clock = SystemClock()
    ids = []
    for _ in range(50):
        ids.append(uuid7(clock, last_byte=7))
        began = clock.now_us()
        while clock.now_us() == began:
            pass
    assert ids == sorted(ids)
    assert {one[-2:] for one in ids} == {"07"}
