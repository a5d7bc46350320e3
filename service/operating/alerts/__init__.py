"""Alerts: what needs its operator, told before it hurts. Rules and book are pure; table, watch and sending are around them."""
