"""The hoster: it keeps encoded sectors, proves them to the chain, and serves decoded blocks."""
