"""The documents as a site and as manual pages: `make docs`. Nothing is read from, or refers to, another host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from docutils.statemachine import StringList
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.highlighting import lexers
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from service.cli.commands import COMMANDS, program  # noqa: E402  # the checkout's, whatever is installed

lexers["mermaid"] = TextLexer()  # diagrams are shown as their text: a script to draw them would come from elsewhere
project = "datdot"
author = "the datdot authors"
copyright = author
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "pallet-spec/README.md",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
]
_documents = {pattern.partition("/")[0] for pattern in include_patterns}
exclude_patterns = [  # the other folders, which Sphinx would walk through, environments and packages of npm with them
    *(one.name for one in ROOT.iterdir() if one.is_dir() and one.name not in _documents),
    *(f"pallet-spec/{one.name}" for one in (ROOT / "pallet-spec").iterdir() if one.is_dir()),
    "docs/commands/README.md",
]
suppress_warnings = ["myst.header"]  # the specification's examples begin at any level
myst_heading_anchors = 4
myst_enable_extensions = ["html_image"]
html_theme = "furo"
html_title = "datdot"
html_show_copyright = html_show_sphinx = False
html_copy_source = html_show_sourcelink = False
man_pages = [
    ("docs/commands/all", "datdot", "keep hypercores online", "", 1),
    *((f"docs/commands/{name}", f"datdot-{name}", COMMANDS[name][2].rstrip(".").lower(), "", 1) for name in COMMANDS),
]


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("|", "\\|").replace("`", "\\`").replace("_", "\\_")


def _word(argument: Any) -> str:
    """Return an argument as it stands in a line of usage."""
    word = argument.metavar or str(argument.name).upper()
    return word if argument.required else f"[{word}]"


def _described(command: Any, name: str) -> Iterator[str]:
    """Yield the lines of a command's section: how it is called, what it does, its arguments and options."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    words = [_word(one) for one in arguments]
    yield from ("::", "", f"    {' '.join([name, *words])}{' [OPTIONS]' if options else ''}", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_literal(" ".join(paragraph.split())), "")
    for one in arguments:
        if one.help:
            yield from (f"``{_word(one)}``", f"    {_literal(one.help)}", "")
    for one in options:
        spelled = ", ".join(f"``{spelling}``" for spelling in (*one.opts, *one.secondary_opts))
        notes = [_literal(one.help or "")]
        if one.default not in (None, False, (), []) and not callable(one.default):
            notes.append(f"(default: ``{one.default}``)")
        if one.envvar:
            notes.append(f"(environment: ``{one.envvar}``)")
        yield from (spelled, f"    {' '.join(notes).strip() or '…'}", "")


class CommandPage(SphinxDirective):
    """Describe a command, or each command of a group, as the program itself does."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        (name,) = self.arguments
        group: Any = typer.main.get_command(program(name))
        command = group.commands[name]
        lines: list[str] = []
        if hasattr(command, "commands"):
            for word, inner in command.commands.items():
                title = f"datdot {name} {word}"
                lines += [title, "-" * len(title), "", *_described(inner, title)]
        else:
            lines += _described(command, f"datdot {name}")
        holder = nodes.section()
        holder.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, f"datdot {name}"), holder)
        return holder.children


def setup(app: Sphinx) -> None:
    """Add the directive `command`."""
    app.add_directive("command", CommandPage)
