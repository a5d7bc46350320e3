"""Views: the chain's state as commands and pages show it, as plain JSON values."""
