"""The process `datdot node`: settings, composition and journal."""
