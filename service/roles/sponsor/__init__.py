"""The sponsor: it checks, publishes, ends and pays for plans."""
