"""The protocols that datdot's peers speak among each other, without input or output."""
