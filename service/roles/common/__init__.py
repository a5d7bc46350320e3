"""What the long-lived roles share: context, database, runner, chain reads."""
