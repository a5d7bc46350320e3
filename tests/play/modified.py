"""`python -m tests.play.modified KIND NAME PEER node …`: the node of a play's peer, on the play's terms, modified if it cheats.

What follows PEER are the arguments of `datdot`.
"""

from __future__ import annotations

import sys

from service.cli import main
from service.node import config as settings
from service.node import run as node

from .catalogue import acts
from .cheaters import CHEATERS


def prepare(kind: str, name: str, peer: str) -> None:
    """Exchange the roles of this process, and the terms on which they offer."""
    cast = acts(kind)[name].cast
    cheat = cast.cheats.get(peer)
    if cheat is not None:
        node.ON_CHAIN[peer.rpartition("-")[0]] = CHEATERS[cheat]
    config = cast.configs.get(peer, cast.config)
    vars(settings)["_config"] = lambda found: config  # a play's terms are more than what can be set


if __name__ == "__main__":
    prepare(*sys.argv[1:4])
    sys.argv[1:4] = []
    main()
