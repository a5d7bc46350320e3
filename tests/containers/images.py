"""The images that docker-compose.yml begins with, made of what is installed on this machine: Debian's packages, Rust, the node.

Nothing is fetched for them, and no registry of images is asked. Which packages a machine has is in an image's tag, so an image
is made once; one that is of no use any more is removed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .daemon import Docker

BASE = (
    *("base-files", "base-passwd", "dash", "bash", "coreutils", "grep", "sed", "passwd", "libc-bin", "libstdc++6"),
    *("findutils", "tar", "python3", "python3-venv", "libssl3", "openssl", "ca-certificates"),
)
BUILD = ("gcc", "libc6-dev")
LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/lintian/")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CHANGES = (
    f"ENV PIP_CERT={BUNDLE} CARGO_HTTP_CAINFO={BUNDLE} PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "CMD bash",
)


def closure(packages: Iterable[str]) -> dict[str, str]:
    """Return installed packages and all that they depend on, with their versions."""
    no = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    told = _told("apt-cache", "depends", "--recurse", "--installed", *(f"--no-{one}" for one in no), *packages)
    names = {line.strip() for line in told.splitlines() if line[:1].isalnum()}
    own = ("all", _told("dpkg", "--print-architecture").strip())
    fields = ("db:Status-Status", "Architecture", "Package", "Version", "binary:Package")
    shown = _told("dpkg-query", "--show", "--showformat", " ".join(f"${{{one}}}" for one in fields) + "\n")
    rows = [line.split() for line in shown.splitlines()]
    return {
        name: version
        for state, of, package, version, name in (row for row in rows if len(row) == len(fields))
        if state == "installed" and of in own and package in names
    }


def files_of(packages: Iterable[str]) -> Iterator[str]:
    """Yield the paths that packages put on the disk, as the disk has them, each once."""
    seen = set()
    for line in _told("dpkg", "--listfiles", *packages).splitlines():
        if not line.startswith("/") or line == "/." or line.startswith(LEFT_OUT):
            continue
        path = os.path.join(os.path.realpath(os.path.dirname(line)), os.path.basename(line))
        if path not in seen and os.path.lexists(path):
            seen.add(path)
            yield path


def make_all(docker: Docker, root: Path, node: Path) -> dict[str, str]:
    """Make all images, those of the Dockerfile in `root` included, remove all others, and return docker-compose.yml's variables.

    Raises NoDocker when the daemon cannot run a container.
    """
    python = base_image(docker)
    docker.prove(python)
    rust = rust_image(docker, python)
    made = {
        "DATDOT_IMAGE": "datdot:local",
        "DATDOT_NODE_IMAGE": node_image(docker, python, node),
        "DATDOT_PROMETHEUS_IMAGE": prometheus_image(docker, python),
    }
    # Each stage has a name, so that the next build finds it, and none finds what was made before the last one.
    stages = {"codec": "datdot-test/codec:last", "packages": "datdot-test/packages:last", "": made["DATDOT_IMAGE"]}
    for target, name in stages.items():
        docker.build(root, None, name, target, PYTHON_IMAGE=python, RUST_IMAGE=rust)
    docker.keep({python, rust, *made.values(), *stages.values()})
    return made


def base_image(docker: Docker) -> str:
    """Make the image of a small Debian with Python, if it is not there, and return its name."""
    packages = closure(BASE)
    name = f"datdot-test/python:{_digest(packages)}"
    if not docker.has(name):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "base.tar"
            with tarfile.open(path, "w") as archive:
                _add_base(archive, packages)
            docker.load(path, name, CHANGES)
    return name


def _add_base(archive: tarfile.TarFile, packages: Iterable[str]) -> None:
    """Add the files of a small Debian, with what its packages' scripts would make."""
    _add(archive, files_of(packages))
    for account in ("passwd", "group"):
        archive.add(f"/usr/share/base-passwd/{account}.master", f"etc/{account}")
    archive.add(os.path.realpath(BUNDLE), BUNDLE.lstrip("/"))


def rust_image(docker: Docker, base: str) -> str:
    """Make the image with gcc and Rust, if it is not there, and return its name."""
    sysroot = Path(_told("rustc", "--print", "sysroot").strip())
    debian = sysroot == Path("/usr")
    packages = closure((*BUILD, *(_owners("rustc", "cargo") if debian else ())))
    ready = "RUN ldconfig && ln -sf gcc /usr/bin/cc\n"
    name = f"datdot-test/rust:{_digest(packages, base, ready, _told('rustc', '--version'))}"
    if not docker.has(name):
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(Path(folder) / "more.tar", "w") as archive:
                _add(archive, files_of(packages))
                if not debian:
                    _add_rust(archive, sysroot)
            docker.build(folder, f"FROM {base}\nADD more.tar /\n{ready}", name)
    return name


def program_image(docker: Docker, base: str, programs: Sequence[Path], name: str, more: str) -> str:
    """Make the image of some programs on the base, if it is not there, and return its name. `more` ends its Dockerfile."""
    digests = []
    for program in programs:
        with program.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    tag = f"datdot-test/{name}:{_digest({}, base, *digests, more)}"
    if not docker.has(tag):
        with tempfile.TemporaryDirectory() as folder:
            for program in programs:
                shutil.copy(program, Path(folder) / program.name)
            names = " ".join(program.name for program in programs)
            docker.build(folder, f"FROM {base}\nCOPY {names} /usr/local/bin/\n{more}", tag)
    return tag


def node_image(docker: Docker, base: str, program: Path) -> str:
    """Make an image as that of the real node."""
    more = (
        "RUN ldconfig && useradd --uid 1000 --user-group --no-create-home node && install -d -o node -g node /data\nUSER node\n"
        'ENTRYPOINT ["/usr/local/bin/polkadot-omni-node"]\n'
    )
    return program_image(docker, base, [program], "node", more)


def prometheus_image(docker: Docker, base: str) -> str:
    """Make an image as that of Prometheus, of Debian's one."""
    more = 'RUN install -d -o nobody -g nogroup /prometheus\nUSER nobody\nENTRYPOINT ["/usr/local/bin/prometheus"]\n'
    return program_image(docker, base, [Path("/usr/bin/prometheus"), Path("/usr/bin/promtool")], "prometheus", more)


def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _owners(*programs: str) -> set[str]:
    found = [os.path.realpath(shutil.which(program) or program) for program in programs]
    return {line.split(":")[0] for line in _told("dpkg", "--search", *found).splitlines()}


def _digest(packages: dict[str, str], *more: str) -> str:
    text = "\n".join([*(f"{name} {version}" for name, version in sorted(packages.items())), *more])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _add(archive: tarfile.TarFile, paths: Iterable[str]) -> None:
    for path in paths:
        archive.add(path, path.lstrip("/"), recursive=False)


def _add_rust(archive: tarfile.TarFile, sysroot: Path) -> None:
    """Add the compiler and its library for this machine, without documents and sources."""
    host = next(
        line.partition(" ")[2]
        for line in _told("rustc", "--version", "--verbose").splitlines()
        if line.startswith("host")
    )
    for program in ("cargo", "rustc"):
        archive.add(sysroot / "bin" / program, f"usr/local/bin/{program}")
    for library in sorted((sysroot / "lib").glob("*.so*")):
        archive.add(library, f"usr/local/lib/{library.name}")
    archive.add(sysroot / "lib" / "rustlib" / host, f"usr/local/lib/rustlib/{host}")
