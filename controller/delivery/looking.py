"""A look once a period, by whoever writes what it decides.

Owns the loop alone: the store's refusal ends no look but that one, another controller's takeover
ends them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from controller.store.errors import FencedError, StoreError
from vehicles.port import Clock

log = structlog.get_logger(__name__)


async def keep_looking(
    look: Callable[[], Awaitable[None]], period_s: float, clock: Clock, *, not_kept: str
) -> None:
    """Look until cancelled; `not_kept` is logged where the store kept nothing.

    Raises FencedError.
    """
    while True:
        try:
            await look()
        except FencedError:
            raise
        except StoreError as error:
            log.warning(not_kept, reason=str(error))
        await clock.sleep(period_s)
