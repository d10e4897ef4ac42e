"""The key that signs callback tokens: every server on a database has the same."""

from goflow_py.clock import Clock
from goflow_py.errors import StartRefused
from goflow_py.store.postgres import address, failures
from goflow_py.store.postgres.queries import SQL
from goflow_py.store.postgres.safety import refuse_unsafe
from goflow_py.store.postgres.schema import LINE_BYTES, migrate


async def server_key(url: str, fresh: bytes, *, clock: Clock) -> bytes:
    """Return the database's key; it is *fresh* if there was none. Raises ``StartRefused``."""
    place = address.shown(url)
    try:
        session = await address.connect(url, role="reader", node="key")
    except failures.ERRORS as error:
        raise failures.refusal(place, error) from error
    try:
        await refuse_unsafe(session, place)
        line = clock.token_bytes(LINE_BYTES).hex()
        await migrate(session, place, now=clock.now_ms(), line=line)
        await session.execute(SQL["put_server_key"].text, fresh.hex())
        return bytes.fromhex(await session.fetchval(SQL["server_key"].text))
    except StartRefused:
        raise
    except (*failures.ERRORS, ValueError) as error:
        raise failures.refusal(place, error) from error
    finally:
        session.terminate()
