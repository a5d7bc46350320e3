"""The sponsor: checks, publishes, ends and pays for plans."""
