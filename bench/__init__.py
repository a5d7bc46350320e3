"""Measurements of datdot, each beside a peer's figure: `python -m bench [NAME-PREFIX …]`, or `make bench`."""
