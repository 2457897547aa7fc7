"""What each view is, given the documents: plain Python that shares nothing with stores, builds and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

__all__ = ["BROKEN", "Broken", "Documents", "Expected", "expected", "keys"]

Documents: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Data by path."""


class Broken(Enum):
    BROKEN = "BROKEN"


BROKEN: Final = Broken.BROKEN
"""The view cannot be built from these documents."""

Expected: TypeAlias = dict[str, Any] | Literal[Broken.BROKEN] | None
"""The content of a view without its version; None where there is no such view."""


def expected(view: str, key: str, documents: Documents) -> Expected:
    content = _PAGES[view](key, documents)
    return {"id": key, **content} if isinstance(content, dict) else content


def keys(documents: Documents) -> set[tuple[str, str]]:
    """Every view of one root whose root is there."""
    found = set()
    for path, data in documents.items():
        collection, _, key = path.partition("/")
        found.update((view, key) for view in _ROOTS.get(collection, ()))
        if data["objType"] == "SavingsAccount":
            found.add(("SavingsPage", key))
    return found


_ROOTS = {"accounts": ["AccountPage"], "households": ["HouseholdPage"], "banks": ["BankPage"]}


def _of(documents: Documents, collection: str, **equal: Any) -> dict[str, Mapping[str, Any]]:
    return {
        path: data
        for path, data in sorted(documents.items())
        if path.startswith(f"{collection}/") and all(data[name] == value for name, value in equal.items())
    }


def _account_page(key: str, documents: Documents) -> Expected:
    path = f"accounts/{key}"
    account = documents.get(path)
    if account is None:
        return None
    if account["rate"] == 0:
        return BROKEN
    amounts = [entry["amount"] for entry in _of(documents, "entries", account=path).values()]
    holders = list(_of(documents, "members", account=path).values())
    bank = documents.get(account["bank"])
    return {
        "balance": account["balance"],
        "total": sum(amounts),
        "bank": bank["name"] if bank else None,
        "largest": sorted(amounts, reverse=True)[:2],
        "holder": holders[0]["name"] if holders else None,
        "percent": 100 // account["rate"],
    }


def _household_page(key: str, documents: Documents) -> Expected:
    path = f"households/{key}"
    household = documents.get(path)
    if household is None:
        return None
    members = _of(documents, "members", household=path).values()
    # An account that two members share counts for each of them: it is read as often as it is named.
    shared = [one["account"] for one in members if one["account"] is not None and one["account"] in documents]
    banks = {documents[account]["bank"] for account in shared}
    return {
        "name": household["name"],
        "members": sorted(one["name"] for one in members),
        "wealth": sum(documents[account]["balance"] for account in shared),
        "banks": sorted({documents[bank]["name"] for bank in banks if bank in documents}),
        "fans": sorted(one["name"] for one in _of(documents, "members").values() if household["name"] in one["interests"]),
        "pages": sorted({account.partition("/")[2] for account in shared}),
    }


def _bank_page(key: str, documents: Documents) -> Expected:
    path = f"banks/{key}"
    bank = documents.get(path)
    if bank is None:
        return None
    accounts = _of(documents, "accounts", bank=path)
    rich = sorted(((one["balance"], path) for path, one in accounts.items() if one["balance"] >= 10), reverse=True)
    return {
        "name": bank["name"],
        "rich": [path.partition("/")[2] for _, path in rich],
        "goals": sum(one["goal"] for one in accounts.values() if one["objType"] == "SavingsAccount"),
    }


def _savings_page(key: str, documents: Documents) -> Expected:
    account = documents.get(f"accounts/{key}")
    if account is None or account["objType"] != "SavingsAccount":
        return None
    return {"missing": account["goal"] - account["balance"]}


def _comparison(key: str, documents: Documents) -> Expected:
    left, _, right = key.partition(":")
    accounts = [documents.get(f"accounts/{one}") for one in (left, right)]
    if accounts[0] is None or accounts[1] is None:
        return None
    return {"difference": accounts[0]["balance"] - accounts[1]["balance"]}


_PAGES: dict[str, Callable[[str, Documents], Expected]] = {
    "AccountPage": _account_page,
    "HouseholdPage": _household_page,
    "BankPage": _bank_page,
    "SavingsPage": _savings_page,
    "Comparison": _comparison,
}
