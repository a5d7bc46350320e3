"""Faults that were found by attacking, starving and feeding real files to a network: each is a named case with tests."""
