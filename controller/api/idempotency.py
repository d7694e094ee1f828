"""The same command sent twice is done once.

Owns the memory of answers by Idempotency-Key, for acts that the store keeps no key for. It is
bounded and ends with the process; what must outlive it (parcels) is keyed in the store.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Header, Response

from controller.api.problems import ApiError, FieldError

Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=128)]
OptionalKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128)]
A = TypeVar("A")
REPLAYED = "Idempotency-Replayed"


def fingerprint(body: object) -> str:
    """SHA-256 over a JSON value in canonical form."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class AnswerMemory:
    """Answers by key; a request that repeats a running one waits for that one's answer."""

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, tuple[str, asyncio.Future[Any]]] = OrderedDict()

    async def marked(
        self, key: str | None, body: object, act: Callable[[], Awaitable[A]], response: Response
    ) -> A:
        """As `once` for a body in JSON; a repeated answer says so in its headers."""
        answer: A
        answer, replayed = await self.once(key, fingerprint(body), act)
        if replayed:
            response.headers[REPLAYED] = "true"
        return answer

    async def once(
        self, key: str | None, print_: str, act: Callable[[], Awaitable[Any]]
    ) -> tuple[Any, bool]:
        """The answer of `act`, and whether it is a repeated one. Raises ApiError 409."""
        if key is None:
            return await act(), False
        if key in self._known:
            known_print, future = self._known[key]
            if known_print != print_:
                raise ApiError(
                    409,
                    "idempotency-conflict",
                    "this Idempotency-Key was used for another command",
                    next_step="use a fresh Idempotency-Key for a different command",
                    errors=[FieldError("Idempotency-Key", "was used with another body")],
                )
            return await asyncio.shield(future), True
        future = asyncio.get_running_loop().create_future()
        self._known[key] = (print_, future)
        try:
            answer = await act()
        except BaseException as error:
            # a failure is not an answer: the same key may try again
            self._known.pop(key, None)
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()
            else:
                future.cancel()
            raise
        future.set_result(answer)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return answer, False
