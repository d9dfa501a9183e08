"""So much of something at once, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Budget:
    """An amount that tasks of one event loop share; first come, first served.

    Args:
        whole: the amount.
        shares: so many tasks have a share at most.
    """

    def __init__(self, whole: int, shares: int) -> None:
        self._whole = self._left = whole
        self._least = -(-whole // shares)
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def share(self, amount: int, seconds: float) -> AsyncIterator[None]:
        """Have a share; who wants more than there is has all of it, alone.

        Raises:
            TimeoutError: it did not come in time.
        """
        amount = min(max(amount, self._least), self._whole)
        await asyncio.wait_for(self._take(amount), seconds)
        try:
            yield
        finally:
            self._left += amount
            self._freed.set()

    async def _take(self, amount: int) -> None:
        async with self._turn:
            while self._left < amount:
                self._freed.clear()
                await self._freed.wait()
            self._left -= amount
