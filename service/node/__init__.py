"""The process `datdot node`: settings, composition, journal."""
