"""Python functions made machine code by numba, with what is made kept on disk.

Owns how they are compiled: no liberties with floating point (`fastmath` off: nothing is
reassociated, and a product and a sum are not fused), no reading behind the end of the types that
are named, one signature each. Must not be imported before something is to be checked: to import
numba takes longer than all of the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(signature: str, *, frees: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function compiled for arguments of these types alone, or read from where it is kept.

    `frees`: other threads run Python meanwhile, for what may take long.

    It is kept beside the module in `__pycache__` where that can be written, else in the user's
    cache; `NUMBA_CACHE_DIR` names another folder. Where none can be written, or what is kept there
    cannot be read, it is compiled anew. Other types raise TypeError; division by nought gives
    what IEEE 754 says.
    """

    def compile_(function: Callable[P, R]) -> Callable[P, R]:
        try:
            made = numba.njit(signature, error_model="numpy", nogil=frees, cache=True)(function)
        except Exception:  # noqa: BLE001 - a torn file raises anything; what is wrong raises again
            made = numba.njit(signature, error_model="numpy", nogil=frees)(function)
        return cast("Callable[P, R]", made)

    return compile_


def part(function: Callable[P, R]) -> Callable[P, R]:
    """A part of compiled functions in the same module, compiled with each."""
    return cast("Callable[P, R]", numba.njit(error_model="numpy")(function))
