"""The swarm: peers that are found, and reached, without an address book."""
