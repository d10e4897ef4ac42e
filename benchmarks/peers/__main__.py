"""Tell which peers are installed, or install them.

python -m benchmarks.peers
python -m benchmarks.peers install [restate dbos ...]
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.peers.entrants import PEERS
from benchmarks.peers.installed import PACKAGES


def main(arguments: Sequence[str] | None = None) -> int:
    """List or install; return 1 when one could not be installed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("list", "install"), default="list")
    parser.add_argument("names", nargs="*", metavar="name", help="; ".join(PACKAGES))
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in PACKAGES]:
        parser.error(f"no peer is named {unknown[0]}; there are {', '.join(PACKAGES)}")
    failed = False
    if options.what == "install":
        done = [_install(name) for name in options.names or PACKAGES]
        failed = not all(done)
    for one in PEERS.values():
        kept = "durable" if one.durable else "keeps nothing"
        versions = one.installed()
        print(f"{one.name}: {versions}; {kept}; {one.about}" if versions else one.why_not())
    return int(failed)


def _install(name: str) -> bool:
    print(f"installing {name} ...", flush=True)
    try:
        PACKAGES[name].install()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{name} could not be installed: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
