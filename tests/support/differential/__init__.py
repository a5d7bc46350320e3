"""Whole lives of plans, played on the model and on the real runtime side by side."""
