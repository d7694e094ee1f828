"""What the command line needs of a controller in order to run one.

Owns the contract alone: the command line must not know of what a controller is made.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from controller.config import Config


class RunController(Protocol):
    """Runs a controller with its API and console while the block runs; yields its URL.

    Port 0 takes a free one. Raises CliError where it does not come up for a cause that the user
    can mend.
    """

    def __call__(self, config: Config, *, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Enter to start, leave to stop."""
