"""Make the images before the tests run, or say in a line why no dockerd runs here: `python -m tests.containers`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from .daemon import NoDocker, what_is_missing
from .place import NoPlace, place
from .stack import build_images, ended_by_sigterm, images_root


def main() -> str | None:
    """Make them, and return what is missing, or None."""
    node = os.environ.get("DATDOT_NODE_BINARY") or shutil.which("polkadot-omni-node")
    if node is None:
        return "polkadot-omni-node is not installed: set DATDOT_NODE_BINARY"
    lacking = what_is_missing()
    if lacking is not None:
        return lacking
    try:
        with ended_by_sigterm(), place(images_root()) as taken:
            build_images(taken, Path(node))
    except (NoDocker, NoPlace) as error:
        return str(error)
    return None


if __name__ == "__main__":
    try:
        problem = main()
    except KeyboardInterrupt:
        problem = "interrupted"
    sys.exit(f"containers: {problem}" if problem else 0)
