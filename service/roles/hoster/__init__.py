"""The hoster: keeps encoded sectors, proves them to the chain, serves decoded blocks."""
