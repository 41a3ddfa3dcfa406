import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

router = APIRouter()


@router.get("/wait")
async def wait(seconds: Annotated[float, Query(ge=0, le=30)] = 2) -> dict[str, float]:
    """A slow request, to see that a delivery does not cut it off."""
    await asyncio.sleep(seconds)
    return {"waited": seconds}
