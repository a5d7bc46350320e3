"""A new phrase, shown once at a terminal, and asked about, so that nobody goes on who has not written it down."""

from __future__ import annotations

import secrets
import sys

import typer

from service.vault import KeyFileError

WORDS_ASKED = 3


def show_and_ask_again(phrase: str) -> None:
    """Show a new phrase, and ask for some of its words. Raises KeyFileError if they are wrong."""
    sys.stdout.write(f"Write these words down. They are shown only now, and bring the keys back:\n\n{phrase}\n\n")
    sys.stdout.flush()
    words = phrase.split()
    for place in sorted(secrets.SystemRandom().sample(range(len(words)), WORDS_ASKED)):
        if typer.prompt(f"Word {place + 1}").strip().lower() != words[place]:
            raise KeyFileError(
                f"that is not word {place + 1}: nothing was written; write the phrase down, and begin anew"
            )
