"""Make docs/demo.svg, the picture in the README, of a real run of the demo.

    .venv/bin/python docs/picture.py              # runs the demo, some minutes
    .venv/bin/python docs/picture.py OUTPUT       # of the output of a run that was kept in a file

Lines are left out where there is "…": of what comes again and again, the first ones are shown.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")
WIDTH = 100
#: lines that come again and again, and how many of each are shown
REPEATED = (
    (r"offered to", 1),
    (r"encoder \w+ drawn", 1),
    (r"segment \d+ begun", 1),
    (r"encoding +\d\d? %", 2),
    (r"encoding +100 %", 1),
    (r"segment \d+ confirmed", 1),
    (r"proved its storage", 2),
    (r"^ hoster +\w{48}", 2),
    (r"^ encoder +\w{48}", 1),
    (r"^ attester +\w{48}", 1),
)
FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)  # a picture in a page may load nothing


def demo() -> str:
    """Run the demo; what it printed. Raises CalledProcessError when it fails."""
    command = [sys.executable, "-m", "service.cli", "demo"]
    environment = {**os.environ, "COLUMNS": str(WIDTH)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def shortened(output: str) -> list[str]:
    """Return the lines to show, with repetitions cut."""
    left = dict.fromkeys((pattern for pattern, _ in REPEATED), 0) | dict(REPEATED)
    shown: list[str] = []
    for line in output.rstrip().splitlines():
        kind = next((pattern for pattern in left if re.search(pattern, line)), None)
        if kind is not None:
            left[kind] -= 1
        if kind is None or left[kind] >= 0:
            shown.append(line)
        elif shown[-1] != "        …":
            shown.append("        …")
    return shown


def coloured(line: str) -> Text:
    """Return one line with dim times and highlighted keywords."""
    line = re.sub(r"([0-9a-f]{16})[0-9a-f]{48}", r"\1…", line)
    text = Text(line.rstrip())
    text.highlight_regex(r"^ *\d+\.\d s", "dim")
    text.highlight_regex(r"\b(plan|copy|block|segment) \d+", "cyan")
    text.highlight_regex(r"\b(identical|done|active|proved|passed|confirmed)\b", "bold green")
    text.highlight_regex(r"the author is gone", "bold yellow")
    return text


def picture(lines: list[str]) -> str:
    """Return the SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text("$ make demo", "bold"))
    for line in lines:
        console.print(coloured(line), soft_wrap=True)
    template = FONTS.sub("", CONSOLE_SVG_FORMAT)
    return console.export_svg(title="datdot", theme=MONOKAI, code_format=template, unique_id="datdot")


def main() -> None:
    output = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else demo()
    PICTURE.write_text(picture(shortened(output)))


if __name__ == "__main__":
    main()
