"""How much the differential tests do: `DATDOT_DIFFERENTIAL=10 make test ARGS=tests/differential` does ten times as much.

`DATDOT_DIFFERENTIAL_KEEP=FILE` writes the last sequence of actions that made a difference there, as JSON.
"""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("DATDOT_DIFFERENTIAL", "1"))
KEEP = os.environ.get("DATDOT_DIFFERENTIAL_KEEP")
# of short sequences
EXAMPLES = max(1, round(15 * FACTOR))
# of whole lives of plans
LIVES = max(1, round(6 * FACTOR))
