"""The copy protocol: an encoder hands a segment's sectors to its hoster, which stores only what it has verified."""
