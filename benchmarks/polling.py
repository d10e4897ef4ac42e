"""goflow on PostgreSQL whose servers do not tell each other what there is: they only poll.

python -m benchmarks.polling serve --data postgresql://...
"""

from goflow_py.cli import main
from goflow_py.store.postgres.herald import Herald


def _never(self: Herald) -> None:
    """Hear nobody, and tell nobody."""


if __name__ == "__main__":
    Herald.start = _never  # type: ignore[method-assign]
    main()
