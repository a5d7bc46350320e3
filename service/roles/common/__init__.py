"""What the long-lived roles share: context, database, runner and chain reads."""
