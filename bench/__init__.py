"""Measurements of datdot, each with a peer beside it: `python -m bench [NAME-PREFIX …]`, or `make bench`."""
