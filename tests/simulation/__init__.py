"""A whole network of real nodes in one process, under a virtual clock: random lives, and what must hold of them.

Every peer is the product's own `run_node` on real files; the chain is the mock's engine with the model. Replaced are the
event loop (time, threads, sockets), the connection to the chain, and the processes of the codec, by the ports that the
product has for them; and, from outside, the operating system's randomness (`secrets`) and `os.fsync`, which is watched
so that a loss of power takes what was not synced.

The loop is one of our own and not simloop's: it runs on every Python that the product supports, so that no machine skips
these tests; it knows which peer each callback belongs to, so a crash drops a peer's tasks between two steps, or at any
fsync in the midst of one, without a `finally`; and RPC without sockets leaves the time for more lives.

    python -m tests.simulation --seeds 20
"""
