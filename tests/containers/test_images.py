"""Which packages of a machine an image is made of."""

from __future__ import annotations

import pytest

from tests.containers import images

DEPENDS = """bash
  Depends: base-files
  Depends: base-files:arm64
  PreDepends: libc6
base-files
base-files:arm64
libc6
  Depends: libgcc-s1
libgcc-s1
<mail-transport-agent>
"""
SHOWN = """installed all base-files 12.4 base-files
installed amd64 bash 5.2 bash
installed amd64 libc6 2.36 libc6:amd64
installed arm64 libc6 2.36 libc6:arm64
config-files amd64 libgcc-s1 12.2 libgcc-s1:amd64
installed amd64 zsh 5.9 zsh
"""
TOLD = {"apt-cache": DEPENDS, "dpkg-query": SHOWN, "dpkg": "amd64\n"}


def test_packages_of_another_architecture_and_those_that_are_gone_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_told", lambda program, *_: TOLD[program])
    assert images.closure(["bash"]) == {"base-files": "12.4", "bash": "5.2", "libc6:amd64": "2.36"}
