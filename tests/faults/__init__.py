"""Disks that are full or fail, at every write: nothing is lost that was told, nothing is claimed that is not there."""
