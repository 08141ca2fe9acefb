"""How the integration tells its monitoring that a backup ended: a POST, as a nightly script would send it by curl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

URL, TOKEN = "SIMULATOR_HEARTBEAT_URL", "SIMULATOR_HEARTBEAT_TOKEN"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where to send it; no address: nobody wants to hear of it."""

    url: str = ""
    token: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Heartbeat:
        """As the process was started."""
        return cls(environment.get(URL, ""), environment.get(TOKEN, ""))

    async def send(self, told: Mapping[str, Any]) -> bool:
        """Whether it was taken; a receiver that is not there yet is asked again by the caller."""
        if not self.url:
            return True
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            try:
                answer = await http.post(self.url, json=dict(told), headers={"authorization": f"Bearer {self.token}"})
            except httpx.HTTPError:
                return False
        return answer.status_code == 200
