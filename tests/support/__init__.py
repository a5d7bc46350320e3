"""What several test folders share: worlds, peers, chains and processes."""
