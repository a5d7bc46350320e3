"""`python -m service.cli` is `datdot`."""

from . import main

main()
