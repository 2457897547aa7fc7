"""``bff audit`` and ``bff rebuild --dry-run``: what a shell sees of them, and their exit codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bff.datastore.connect import open_datastore
from bff.datastore.port import Merge, Set
from bff.query import Query
from tests.app.test_cli import run

APP = """
import bff
from bff import DomainModel, Store, ViewModel, field, reference


class Tree(DomainModel, collection="trees"):
    name: str
    height: int


class TreeStore(Store):
    tree = reference(Tree)


class TreeView(ViewModel):
    store: TreeStore

    @field
    def label(self) -> str:
        return f"{self.store.tree.name}, {120 // self.store.tree.height} m"


app = bff.App(views=[TreeView])
"""

TREES = {"ash": {"objType": "Tree", "name": "Ash", "height": 10}, "elm": {"objType": "Tree", "name": "Elm", "height": 20}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two trees, their views stored."""
    (tmp_path / "trees.py").write_text(APP)
    commit(tmp_path, *(Set(f"trees/{id}", tree) for id, tree in TREES.items()))
    done = run(tmp_path, "rebuild", "trees:app")
    assert (done.returncode, done.stdout) == (0, "TreeView: 2 built, 0 failed\n"), done.stderr
    return tmp_path


def commit(folder: Path, *writes: Merge | Set) -> None:
    async def once() -> None:
        async with open_datastore(f"sqlite:///{folder / 'bff.db'}") as datastore:
            await datastore.commit(writes)

    asyncio.run(once())


def labels(folder: Path) -> Mapping[str, Any]:
    async def once() -> Mapping[str, Any]:
        async with open_datastore(f"sqlite:///{folder / 'bff.db'}") as datastore, datastore.snapshot() as snapshot:
            return {document.id: (document.data or {})["label"] for document in await snapshot.query(Query("TreeView"))}

    return asyncio.run(once())


def test_an_audit_says_what_has_drifted_and_repairs_it(folder: Path) -> None:
    done = run(folder, "audit", "trees:app")
    assert (done.returncode, done.stdout) == (0, "TreeView: 2 looked at, 0 drifted\n")
    commit(folder, Merge("TreeView/elm", {"label": "Oak"}))
    done = run(folder, "audit", "trees:app", "TreeView", "--all")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "TreeView elm: edited: what its fields read has not changed since they were built",
        "  label: 'Oak' → 'Elm, 6 m'",
        "TreeView: 2 looked at, 1 drifted",
    ]
    done = run(folder, "audit", "trees:app", "--all", "--repair", "--json")
    assert done.returncode == 0
    [found] = json.loads(done.stdout)["views"]
    assert (found["checked"], found["drifted"], found["repaired"], found["behind"]) == (2, 1, 1, 0)
    assert found["drifts"][0]["differences"] == [{"field": "label", "stored": "Oak", "built": "Elm, 6 m"}]
    assert labels(folder) == {"ash": "Ash, 12 m", "elm": "Elm, 6 m"}
    assert run(folder, "audit", "trees:app", "--all").returncode == 0


def test_an_audit_looks_at_no_more_than_it_is_told_to(folder: Path) -> None:
    assert run(folder, "audit", "trees:app", "--sample", "1").stdout == "TreeView: 1 looked at, 0 drifted\n"
    assert "there are TreeView" in run(folder, "audit", "trees:app", "Shrub").stderr


def test_what_cannot_be_built_is_not_repaired(folder: Path) -> None:
    commit(folder, Merge("trees/elm", {"height": 0}))
    done = run(folder, "audit", "trees:app", "--all", "--repair")
    assert done.returncode == 1
    assert done.stdout.startswith("TreeView elm: failing: TreeView.label raised ZeroDivisionError")
    assert done.stdout.endswith("TreeView: 2 looked at, 1 drifted, 0 repaired\n")


def test_a_dry_run_says_what_new_code_would_change(folder: Path) -> None:
    done = run(folder, "rebuild", "trees:app", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "TreeView: nothing would change; 2 as they are, 0 cannot be built\n")
    (folder / "trees.py").write_text(
        APP.replace('{120 // self.store.tree.height} m"', '{120 // (self.store.tree.height - 10)} yd"')
    )
    before = labels(folder)
    done = run(folder, "rebuild", "trees:app", "TreeView", "--dry-run")
    assert done.returncode == 1, "one of them cannot be built any more"
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "TreeView: 1 would change; 0 as they are, 1 cannot be built",
        "  label: in 1",
        "TreeView elm: changed",
        "  label: 'Elm, 6 m' → 'Elm, 12 yd'",
    ]
    assert lines[4].startswith("TreeView ash: cannot be built: TreeView.label raised ZeroDivisionError")
    assert labels(folder) == before
    done = run(folder, "rebuild", "trees:app", "--dry-run", "--json", "--show", "0")
    [found] = json.loads(done.stdout)["views"]
    assert (found["changed"], found["failed"], found["fields"], found["changes"]) == (1, 1, {"label": 1}, [])


def test_a_rebuild_tells_programs_what_it_did(folder: Path) -> None:
    done = run(folder, "rebuild", "trees:app", "--restart", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "views": [{"view": "TreeView", "found": 2, "built": 2, "failed": 0, "complete": True}],
    }
