"""What an operator is shown of a node: its journal, its money, how it stands. Pages, API, metrics and commands share it."""
