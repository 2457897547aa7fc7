"""Households, their accounts and the ledger of each: what the stateful tests keep views of.

One rule of this world holds in every transaction: the balance of an account is the sum of its entries. A view that shows another
sum has seen half of one.
"""

from __future__ import annotations

from bff.model.catalog import Catalog
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel

__all__ = [
    "CATALOG",
    "COLLECTIONS",
    "SELECTIONS",
    "VIEWS",
    "Account",
    "AccountPage",
    "Bank",
    "BankPage",
    "Comparison",
    "Entry",
    "Household",
    "HouseholdPage",
    "Member",
    "SavingsAccount",
    "SavingsPage",
]

RICH = 10


class Bank(DomainModel, collection="banks"):
    name: str


class Account(DomainModel, collection="accounts"):
    bank: Ref[Bank]
    rate: int = 1
    """A rate of 0 is one that no view of the account can be built with."""
    balance: int = 0

    @mutation(returns="AccountPage")
    async def deposit(self, amount: int) -> None:
        self.balance += amount
        await Entry.new(account=self.ref, amount=amount).save()

    @mutation
    async def close(self) -> None:
        for entry in await Entry.where(Entry.account == self.ref).list():
            await entry.delete()
        await self.delete()


class SavingsAccount(Account):
    goal: int = 0


class Entry(DomainModel, collection="entries"):
    account: Ref[Account]
    amount: int


class Household(DomainModel, collection="households"):
    name: str


class Member(DomainModel, collection="members"):
    name: str
    household: Ref[Household]
    account: Ref[Account] | None = None
    interests: list[str] = []


class AccountStore(Store):
    account = reference(Account)
    bank = reference(Bank, of=lambda s: s.account.bank)
    entries = reference(Entry, where=lambda s: Entry.account == s.account.ref, many=True)
    largest = reference(
        Entry,
        where=lambda s: Entry.where(Entry.account == s.account.ref).order_by(Entry.amount, descending=True).limit(2),
        many=True,
    )
    holder = reference(Member, where=lambda s: Member.account == s.account.ref)


class AccountPage(ViewModel):
    """An account with its ledger: the root, a document, and three queries, one of them with an order and a limit."""

    store: AccountStore

    @field
    def balance(self) -> int:
        return self.store.account.balance

    @field
    def total(self) -> int:
        return sum(entry.amount for entry in self.store.entries)

    @field
    def bank(self) -> str | None:
        return None if self.store.bank is None else self.store.bank.name

    @field
    def largest(self) -> list[int]:
        return [entry.amount for entry in self.store.largest]

    @field
    def holder(self) -> str | None:
        return None if self.store.holder is None else self.store.holder.name

    @field
    def percent(self) -> int:
        return 100 // self.store.account.rate


class HouseholdStore(Store):
    household = reference(Household)
    members = reference(Member, where=lambda s: Member.household == s.household.ref, many=True)
    accounts = reference(Account, of=lambda s: [one.account for one in s.members if one.account is not None], many=True)
    banks = reference(Bank, of=lambda s: [account.bank for account in s.accounts], many=True)
    fans = reference(Member, where=lambda s: Member.where("interests", "array-contains", s.household.name), many=True)


class HouseholdPage(ViewModel):
    """Four levels deep; a query over what arrays contain, whose operand changes; links."""

    store: HouseholdStore

    @field
    def name(self) -> str:
        return self.store.household.name

    @name.setter
    def name(self, value: str) -> None:
        self.store.household.name = value

    @field
    def members(self) -> list[str]:
        return sorted(one.name for one in self.store.members)

    @field
    def wealth(self) -> int:
        return sum(account.balance for account in self.store.accounts)

    @field
    def banks(self) -> list[str]:
        return sorted({bank.name for bank in self.store.banks})

    @field
    def fans(self) -> list[str]:
        return sorted(one.name for one in self.store.fans)

    @field
    def pages(self) -> list[AccountPage]:
        return [AccountPage.of(account) for account in sorted({account.id for account in self.store.accounts})]


class BankStore(Store):
    bank = reference(Bank)
    rich = reference(
        Account,
        where=lambda s: Account.where((Account.bank == s.bank.ref) & (Account.balance >= RICH)).order_by(
            Account.balance, descending=True
        ),
        many=True,
    )
    savers = reference(SavingsAccount, where=lambda s: SavingsAccount.bank == s.bank.ref, many=True)


class BankPage(ViewModel):
    """A query with a range and an order, and one over a subclass."""

    store: BankStore

    @field
    def name(self) -> str:
        return self.store.bank.name

    @field
    def rich(self) -> list[str]:
        return [account.id for account in self.store.rich]

    @field
    def goals(self) -> int:
        return sum(account.goal for account in self.store.savers)


class SavingsStore(Store):
    account = reference(SavingsAccount)


class SavingsPage(ViewModel):
    """There as long as the account is of the subclass."""

    store: SavingsStore

    @field
    def missing(self) -> int:
        return self.store.account.goal - self.store.account.balance


class ComparisonStore(Store):
    left = reference(Account)
    right = reference(Account)


class Comparison(ViewModel):
    """A view of two roots: there once somebody has asked for it."""

    store: ComparisonStore

    @field
    def difference(self) -> int:
        return self.store.left.balance - self.store.right.balance


VIEWS: dict[str, type[ViewModel]] = {
    view.__view__.name: view for view in (AccountPage, HouseholdPage, BankPage, SavingsPage, Comparison)
}
CATALOG = Catalog.of(VIEWS.values())
COLLECTIONS = ("accounts", "banks", "entries", "households", "members")

SELECTIONS = {
    "AccountPage": "balance total bank largest holder percent",
    "HouseholdPage": "name members wealth banks fans",
    "BankPage": "name rich goals",
    "SavingsPage": "missing",
    "Comparison": "difference",
}
"""What is asked of each view over GraphQL: the fields that stand in its document as they are."""
