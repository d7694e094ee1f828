"""Where a vehicle may be, and when. Pure: no I/O, no asyncio, nothing of the other packages."""
