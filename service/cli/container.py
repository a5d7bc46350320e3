"""Run what a container of docker-compose.yml runs: `python -m service.cli.container peer|dht|faucet|gate`.

Signals first: the first process of a container that handles none cannot be stopped by one.
"""

from __future__ import annotations

import sys

from .interrupts import end_at_once


def main() -> None:
    """Run one of them until it ends or is stopped."""
    end_at_once(["node"])  # that runs until a signal ends it, too
    from .container_commands import containers  # a second or more

    containers(sys.argv[1:], prog_name="container")


if __name__ == "__main__":
    main()
