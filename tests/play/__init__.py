"""Scenarios and cheats of whole networks: what befalls honest peers, and what it costs those who are not.

Each is a coroutine of `tests.play.scenarios…` or `tests.play.cheats…` that is given a stage: a network of real nodes in
which it publishes plans, takes peers away, lets others in that were modified, and says what must come of it.
"""
