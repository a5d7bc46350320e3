"""The protocols between datdot's peers, as machines without input or output."""
