"""The attester: it fetches like a reader, commits to what it measured, and reveals it later."""
