"""Hand-written resolvers: inside them the models work, and a view that they return is read for them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from typing import Any

from graphql.pyutils import Path

from bff.model.view_model import ViewModel
from bff.principal import ANONYMOUS
from bff.resolvers.context import Context
from bff.resolvers.principals import principal_parameter

__all__ = ["wrap_resolver", "wrap_source"]


def wrap_resolver(resolve: Callable[..., Any], names: Container[str] = ()) -> Callable[..., Any]:
    """The resolver, run where ``City.get`` and the like go to the app's datastore.

    What it returns may be a handle (``MeetingSession.of(meeting)``) or a list of them: the stored views are resolved instead.
    A parameter annotated ``Principal`` is told who asks; ``names`` are those of the field's arguments. Raises DeclarationError.
    """
    told = principal_parameter(resolve, names)

    def wrapped(source: Any, info: Any, **arguments: Any) -> Any:
        context = info.context
        if told is not None:
            arguments[told] = getattr(context, "principal", ANONYMOUS)
        if not isinstance(context, Context):
            return resolve(source, info, **arguments)
        with context.activate():
            value = resolve(source, info, **arguments)
        if inspect.isawaitable(value):
            return _later(context, value, info.path)
        return _viewed(context, value, info.path)

    return wrapped


def wrap_source(subscribe: Callable[..., Any], names: Container[str] = ()) -> Callable[..., Any]:
    """A subscription's source, each step of it run in the session; loaders are new for each of its events. See wrap_resolver."""
    told = principal_parameter(subscribe, names)

    async def wrapped(source: Any, info: Any, **arguments: Any) -> AsyncIterator[Any]:
        context = info.context
        if told is not None:
            arguments[told] = getattr(context, "principal", ANONYMOUS)
        if not isinstance(context, Context):
            events = subscribe(source, info, **arguments)
            async for event in await events if inspect.isawaitable(events) else events:
                yield event
            return
        with context.activate():
            events = subscribe(source, info, **arguments)
            if inspect.isawaitable(events):
                events = await events
        iterator = aiter(events)
        try:
            while True:
                # Entered anew for each step: a generator's caller may run the next one in another context.
                with context.activate():
                    try:
                        event = await anext(iterator)
                    except StopAsyncIteration:
                        return
                context.renew()
                yield event
        finally:
            close = getattr(iterator, "aclose", None)
            if close is not None:
                await close()

    return wrapped


async def _later(context: Context, value: Awaitable[Any], path: Path) -> Any:
    with context.activate():
        resolved = await value
    viewed = _viewed(context, resolved, path)
    return await viewed if inspect.isawaitable(viewed) else viewed


def _viewed(context: Context, value: Any, path: Path) -> Any:
    """The stored view in place of a handle."""
    if isinstance(value, ViewModel):
        return context.load(type(value), value.id, path)
    if isinstance(value, list) and any(isinstance(one, ViewModel) for one in value):
        return _all_viewed(context, value, path)
    return value


async def _all_viewed(context: Context, values: list[Any], path: Path) -> list[Any]:
    places = [path.add_key(index, None) for index in range(len(values))]
    return list(await asyncio.gather(*(_one_viewed(context, value, at) for value, at in zip(values, places, strict=True))))


async def _one_viewed(context: Context, value: Any, path: Path) -> Any:
    return await context.load(type(value), value.id, path) if isinstance(value, ViewModel) else value
