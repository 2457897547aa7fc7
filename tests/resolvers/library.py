"""A library: what the tests of resolvers ask about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator

from bff.errors import DomainError
from bff.model.domain_model import DomainModel
from bff.model.field import field
from bff.model.mediator import Mediator, sink
from bff.model.mutation import mutation
from bff.model.ref import Ref
from bff.model.store import Store, reference
from bff.model.view_model import ViewModel
from bff.types import BigInt, GeoPoint

ENTRANCE = GeoPoint(1.5, 2.5)


class Genre(Enum):
    NOVEL = "novel"
    POETRY = "poetry"


class Paper(BaseModel):
    shelf: str
    lent_out: bool = False


class Ebook(BaseModel):
    size: int
    links: list[str] = []

    @field_validator("size")
    @classmethod
    def positive(cls, size: int) -> int:
        if size <= 0:
            raise ValueError("an ebook has a size")
        return size


class NoCopyLeft(DomainError): ...


class Author(DomainModel, collection="authors"):
    name: str


class Book(DomainModel, collection="books"):
    title: str
    author: Ref[Author]
    pages: int = 100
    genre: Genre = Genre.NOVEL
    copies: list[Paper | Ebook] = []
    added: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    lent: int = 0
    note: str | None = None
    tags: list[str] = []
    found_at: GeoPoint | None = None

    @mutation(returns="BookPage")
    def retitle(self, title: Annotated[str, Field(min_length=1, max_length=40)], *, note: str | None = None) -> None:
        self.title = title
        self.note = note

    @mutation
    def lend(self, times: int = 1) -> None:
        if self.lent + times > len(self.copies):
            raise NoCopyLeft(f"all copies of {self.title} are lent out")
        self.lent += times

    @mutation
    async def restock(
        self, copies: list[Paper | Ebook], at: datetime, patience: timedelta = timedelta(days=1)
    ) -> list[Paper | Ebook]:
        author = await self.author.get()
        assert author is not None
        self.copies = [*self.copies, *copies]
        self.added = at + patience
        self.note = f"restocked for {author.name}"
        return self.copies

    @mutation
    def weigh(self, grams: BigInt) -> BigInt:
        return grams + 1

    @mutation(returns="BookPage")
    async def burn(self) -> None:
        await self.delete()

    @mutation(returns="BookPage")
    @classmethod
    async def acquire(cls, title: str, author: Author, found_at: GeoPoint = ENTRANCE) -> Book:
        book = cls.new(title=title, author=author.ref, found_at=found_at)
        await book.save()
        return book


class Audiobook(Book):
    narrator: str

    def lend(self, times: int = 1) -> None:
        self.lent += times


class Reader(DomainModel, collection="readers"):
    name: str


class BookStore(Store):
    book = reference(Book)
    author = reference(Author, of=lambda s: s.book.author)


class AuthorStore(Store):
    author = reference(Author)
    books = reference(Book, where=lambda s: Book.author == s.author.ref, many=True)


class CardStore(Store):
    author = reference(Author)


class LoanStore(Store):
    reader = reference(Reader)
    book = reference(Book)


class BookPage(ViewModel):
    store: BookStore

    @field(filterable=True)
    def title(self) -> str:
        return self.store.book.title

    @title.setter
    def title(self, value: Annotated[str, Field(min_length=1)]) -> None:
        self.store.book.title = value

    @field(filterable=True)
    def author(self) -> AuthorPage:
        return AuthorPage.of(self.store.book.author)

    @field
    def author_name(self) -> str:
        return self.store.author.name

    @author_name.setter
    def author_name(self, value: str) -> None:
        self.store.author.name = value

    @field(filterable=True)
    def pages(self) -> int:
        return self.store.book.pages

    @field(filterable=True)
    def genre(self) -> Genre:
        return self.store.book.genre

    @field
    def copies(self) -> list[Paper | Ebook]:
        return self.store.book.copies

    @copies.setter
    def copies(self, value: list[Paper | Ebook]) -> None:
        self.store.book.copies = value

    @field(filterable=True)
    def added(self) -> datetime:
        return self.store.book.added

    @field(filterable=True)
    def note(self) -> str | None:
        return self.store.book.note

    @note.setter
    def note(self, value: str | None) -> None:
        self.store.book.note = value

    @field(filterable=True)
    def tags(self) -> list[str]:
        return self.store.book.tags

    @field(filterable=True)
    def letters(self) -> BigInt:
        return self.store.book.pages * 10_000_000

    @field(filterable=True)
    def price(self) -> Decimal:
        return Decimal(self.store.book.pages) / 100

    @field(filterable=True)
    def lent_for(self) -> timedelta:
        return timedelta(days=self.store.book.lent)

    @field
    def found_at(self) -> GeoPoint | None:
        return self.store.book.found_at

    @field(filterable=True)
    def writer(self) -> Ref[Author]:
        return self.store.book.author

    @field
    def facts(self) -> dict[str, Any]:
        return {"added": self.store.book.added, "tags": self.store.book.tags}


class AuthorPage(ViewModel):
    store: AuthorStore

    @field
    def name(self) -> str:
        return self.store.author.name

    @field
    def books(self) -> list[BookPage]:
        return [BookPage.of(book) for book in self.store.books]

    @field
    def best(self) -> BookPage | None:
        best = max(self.store.books, key=lambda book: book.pages, default=None)
        return None if best is None else BookPage.of(best)


class AuthorCard(ViewModel):
    store: CardStore

    @field
    def name(self) -> str:
        return self.store.author.name


class Loan(ViewModel):
    store: LoanStore

    @field
    def text(self) -> str:
        return f"{self.store.reader.name} reads {self.store.book.title}"


class Library(Mediator):
    readers = sink(Reader)

    @mutation
    def lie(self, book: Book, about: str) -> int:
        """Does not return what it says."""
        book.title = "changed"
        return about  # type: ignore[return-value]

    @mutation
    def mislead(self, book: Book) -> BookPage:
        book.title = "changed"
        return AuthorCard.of("lem")  # type: ignore[return-value]

    @mutation
    def enrol(self, name: str) -> str:
        """What it emits is saved with everything else."""
        reader = Reader.new(name=name)
        self.readers.emit(reader)
        return reader.id

    @mutation
    def attribute(self, book: Book, to: Author) -> BookPage:
        book.author = to.ref
        return BookPage.of(book)

    @mutation
    def rename_all(self, authors: list[Author], prefix: str = "Dr.") -> list[AuthorCard]:
        for author in authors:
            author.name = f"{prefix} {author.name}"
        return [AuthorCard.of(author) for author in authors]

    @mutation
    async def count(self, genre: Genre | None = None) -> int:
        books = Book.all() if genre is None else Book.where(Book.genre == genre)
        return len(await books.list())

    @mutation
    def describe(self, info: str, attribute: str, arguments: str, named: str) -> str:
        """Its parameters are called as those of whatever calls it might be."""
        return " ".join((info, attribute, arguments, named))

    @mutation
    def optional(self, book: Book | None = None) -> BookPage | None:
        return None if book is None else BookPage.of(book)


VIEWS = [BookPage, AuthorPage, AuthorCard, Loan]
MEDIATORS = [Library]
