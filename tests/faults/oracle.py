"""What must be so after a crash and a restart, computed without bff from what is stored and from the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bff.values import load_document
from tests.faults.script import Journal, outcomes

__all__ = ["Stored", "check"]

VIEWS = {"productPage": "ProductPage", "customerPage": "CustomerPage"}


@dataclass(frozen=True)
class Stored:
    """Every document by its path, and when each was last changed."""

    data: Mapping[str, Mapping[str, Any]]
    times: Mapping[str, int]

    @classmethod
    def of_bytes(cls, report: bytes) -> Stored:
        documents: dict[str, Any] = load_document(report)
        return cls(
            {path: document["data"] for path, document in documents.items()},
            {path: document["time"] for path, document in documents.items()},
        )

    def of(self, *collections: str) -> dict[str, dict[str, Any]]:
        """The documents of these collections, without what tells their class."""
        return {
            path: {name: value for name, value in data.items() if name != "objType"}
            for path, data in self.data.items()
            if path.partition("/")[0] in collections
        }


def check(journal: Journal, stored: Stored) -> None:
    """Raises AssertionError where anything was lost, done twice, done in half, or gone back."""
    _check_mutations(journal, stored)
    _check_triggers(stored)
    _check_views(stored)
    _check_metadata(stored)
    _check_versions(journal, stored)


def _check_mutations(journal: Journal, stored: Stored) -> None:
    """What was acknowledged is there exactly once, what was begun is there whole or not at all."""
    present = stored.of("products", "customers", "orders")
    possible = outcomes(journal)
    assert present in possible, f"{present}\nis none of\n" + "\n".join(map(str, possible))


def _check_triggers(stored: Stored) -> None:
    """Every trigger took effect exactly once for each document."""
    orders, customers = stored.of("orders"), stored.of("customers")
    receipts = {path.replace("receipts/", "orders/"): one["customer"] for path, one in stored.of("receipts").items()}
    assert receipts == {path: order["customer"] for path, order in orders.items()}
    entries: dict[str, int] = defaultdict(int)
    for order in orders.values():
        entries[order["customer"].replace("customers/", "ledgers/")] += 1
    assert {path: ledger["entries"] for path, ledger in stored.of("ledgers").items()} == entries
    welcomed = {path.replace("welcomes/", "customers/") for path in stored.of("welcomes")}
    assert welcomed == {"customers/c2", *customers}
    gone = {"farewells/c2"} if "customers/c2" not in customers else set()
    assert set(stored.of("farewells")) == gone
    notes = {note["path"]: note for note in stored.of("_bff_mediators").values()}
    assert {path: note["seen"] for path, note in notes.items()} == {path: stored.times[path] for path in (*orders, *customers)}
    assert not [note for note in notes.values() if note.get("failing")]


def _check_views(stored: Stored) -> None:
    """Every stored view is what its documents make of it, and there are no others."""
    pages = stored.of("ProductPage", "CustomerPage")
    assert {path: _content(page) for path, page in pages.items()} == {**_product_pages(stored), **_customer_pages(stored)}


def _product_pages(stored: Stored) -> dict[str, dict[str, Any]]:
    orders, customers = stored.of("orders"), stored.of("customers")
    pages = {}
    for path, product in stored.of("products").items():
        placed = [one for one in orders.values() if one["product"] == path and one["status"] == "PLACED"]
        buyers = {customers[one["customer"]]["name"] for one in placed if one["customer"] in customers}
        sold = sum(one["quantity"] for one in placed)
        pages[path.replace("products/", "ProductPage/")] = {
            "id": _id(path),
            **product,
            "sold": sold,
            "buyers": sorted(buyers),
        }
    return pages


def _customer_pages(stored: Stored) -> dict[str, dict[str, Any]]:
    orders = stored.of("orders")
    pages = {}
    for path, customer in stored.of("customers").items():
        mine = sorted(order for order, one in orders.items() if one["customer"] == path)
        pages[path.replace("customers/", "CustomerPage/")] = {
            "id": _id(path),
            **customer,
            "entries": len(mine),
            "receipts": len(mine),
            "welcome": stored.data[path.replace("customers/", "welcomes/")]["text"],
            "products": [_id(orders[order]["product"]) for order in mine],
        }
    return pages


def _check_metadata(stored: Stored) -> None:
    """Each page has metadata that says what it was made of, in its version; nothing is left unchecked or failing."""
    pages = stored.of("ProductPage", "CustomerPage")
    found = {f"{one['view']}/{one['key']}": one for one in stored.of("_bff_views").values()}
    assert not stored.of("_bff_unchecked"), f"{stored.of('_bff_unchecked')} are left unchecked"
    assert {path for path, one in found.items() if not one.get("deleted")} == set(pages)
    for path, one in found.items():
        assert not one.get("failing"), f"{path} is failing: {one.get('error')}"
        if path in pages:
            assert one["version"] == pages[path]["version"], f"{path} has metadata of version {one['version']}"
            read, expected = {name for name in one["deps"] if "?" not in name}, set(_read(stored, path))
            assert read == expected, f"{path} is registered for {sorted(read)} in place of {sorted(expected)}"


def _read(stored: Stored, page: str) -> Iterable[str]:
    """The documents that a page is made of."""
    orders = stored.of("orders")
    if page.startswith("ProductPage/"):
        root = page.replace("ProductPage/", "products/")
        mine = {path for path, one in orders.items() if one["product"] == root}
        return {root, *mine, *(orders[path]["customer"] for path in mine)}
    root = page.replace("CustomerPage/", "customers/")
    mine = {path for path, one in orders.items() if one["customer"] == root}
    receipts = {path.replace("orders/", "receipts/") for path in mine}
    return {root, *mine, *receipts, root.replace("customers/", "ledgers/"), root.replace("customers/", "welcomes/")}


def _check_versions(journal: Journal, stored: Stored) -> None:
    """No subscriber was ever told of an older state, and one version never had two contents."""
    metadata = {f"{one['view']}/{one['key']}": one["version"] for one in stored.of("_bff_views").values()}
    pages = stored.of("ProductPage", "CustomerPage")
    last: dict[str, int] = {}
    contents: dict[tuple[str, int], dict[str, Any]] = {}
    for line in journal.read():
        if line["what"] != "saw" or line["page"] is None:
            continue
        path = f"{VIEWS[line['view']]}/{line['key']}"
        version = int(line["page"]["version"])
        assert version >= last.get(path, 0), f"{path} went back from {last[path]} to {version}"
        last[path] = version
        content = {**line["page"], "version": version}
        if "products" in content:
            content["products"] = [one["id"] for one in content["products"]]
        known = contents.setdefault((path, version), content)
        assert known == content, f"{path} had two contents in one version: {known} and {content}"
    for path, version in last.items():
        assert metadata[path] >= version, f"{path} went back from {version} to {metadata[path]}"
        if path in pages and pages[path]["version"] == version:
            known = contents[path, version]
            assert known == pages[path], f"{path} had two contents in one version: {known} and {pages[path]}"


def _content(page: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in page.items() if name != "version"}


def _id(path: str) -> str:
    return path.rpartition("/")[2]
