"""What commands and pages show of the chain's state, as plain JSON values."""
