"""The house rules that a machine can hold."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("controller", "vehicles", "geofence", "missions", "sitl")
MODULES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
LONGEST_MODULE = 500


def names(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(ROOT)) for p in paths]


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_a_module_is_short_and_says_what_it_owns(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_MODULE
    if "/versions/" not in str(path):
        assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_tasks_are_named_and_grouped(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        called = node.func.attr
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        assert not (owner == "asyncio" and called in {"create_task", "ensure_future", "gather"}), (
            f"{path}:{node.lineno} starts a task outside a TaskGroup"
        )
        if called == "create_task":
            assert any(k.arg == "name" for k in node.keywords), f"{path}:{node.lineno} unnamed task"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_typed(name: str) -> None:
    assert (ROOT / name / "py.typed").is_file()


def test_no_file_names_a_download_address() -> None:
    for lock in (ROOT / "constraints.txt", ROOT / "controller/console/package-lock.json"):
        if lock.is_file():
            assert "resolved" not in lock.read_text(), f"{lock.name} carries an address"
