"""Third-party JavaScript: what is taken, from which versions, and the manifest about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.console.pages import STATIC, policy
from controller.console.vendor import (
    FILES,
    TARGET,
    VendorError,
    locked_versions,
    sha256,
    up_to_date,
    vendor,
)

FREE = {"Apache-2.0", "BSD-3-Clause", "MIT", "ISC"}


def install(folder: Path, *, version: str = "", leave_out: str = "") -> None:
    """What npm would make, with files of one line."""
    for package, (locked, _) in locked_versions().items():
        home = folder / "node_modules" / package
        for name in (*FILES[package], "package.json"):
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if f"{package}/{name}" != leave_out:
                file.write_text(f"// {package} {name}\n")
        (home / "package.json").write_text(json.dumps({"version": version or locked}))


def test_every_file_is_taken_and_told(tmp_path: Path) -> None:
    target = tmp_path / "vendor"
    assert vendor(target, install) is True
    entries = json.loads((target / "vendor.json").read_text())["files"]
    assert {e["package"] for e in entries} == set(FILES)
    for entry in entries:
        assert sha256(target / entry["path"]) == entry["sha256"]
        assert entry["licence"] in FREE
    assert vendor(target, install) is False


def test_a_changed_file_is_noticed_and_mended(tmp_path: Path) -> None:
    target = tmp_path / "vendor"
    vendor(target, install)
    (target / "htm" / "htm.mjs").write_text("alert(1)")
    assert up_to_date(target) is False
    assert vendor(target, install) is True
    assert "alert" not in (target / "htm" / "htm.mjs").read_text()


def test_another_version_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    target = tmp_path / "vendor"
    with pytest.raises(VendorError, match=r"9\.9\.9 is installed"):
        vendor(target, lambda folder: install(folder, version="9.9.9"))
    assert not target.exists()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VendorError, match=r"htm 3\.1\.1 has no dist/htm\.mjs"):
        vendor(tmp_path / "vendor", lambda folder: install(folder, leave_out="htm/dist/htm.mjs"))


def test_the_lock_names_no_address() -> None:
    text = (STATIC.parent / "package-lock.json").read_text()
    assert "resolved" not in text
    assert "integrity" in text
    assert "registry" not in text


def test_what_is_installed_is_what_the_manifest_says() -> None:
    if not TARGET.is_dir():
        pytest.skip("the console is not set up: run python -m controller.console.vendor")
    assert up_to_date()


def test_the_page_may_run_its_import_map_and_nothing_else_inline() -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    told = policy(html)
    assert told.count("'sha256-") == 1
    assert "unsafe-inline" not in told.split("style-src")[0]
    assert "unsafe-eval" not in told


def test_no_module_asks_for_anything_from_elsewhere() -> None:
    own = [*STATIC.glob("js/*.js"), *STATIC.glob("*.css"), *STATIC.glob("*.html")]
    assert len(own) > 10
    for file in own:
        assert "https://" not in file.read_text(encoding="utf-8"), file.name
