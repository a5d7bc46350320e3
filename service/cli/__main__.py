"""Run `datdot` as `python -m service.cli`."""

from . import main

main()
