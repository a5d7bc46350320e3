"""All attackers at once on a hoster of a real network, beside honest readers: what they cost it."""
