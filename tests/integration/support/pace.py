"""How long and how large: as scripts/test can afford it, or as in life (scripts/soak)."""

from typing import TypeVar

T = TypeVar("T")


class Pace:
    def __init__(self, is_unscaled: bool) -> None:
        self.is_unscaled = is_unscaled

    def pick(self, scaled: T, unscaled: T) -> T:
        return unscaled if self.is_unscaled else scaled

    @property
    def lease_s(self) -> float:
        """Of a deployment's slot, from the claim on: the shortest that a server can be set to, or its default."""
        return self.pick(30.0, 300.0)

    @property
    def server_settings(self) -> dict[str, str]:
        """In life none: a server as it is installed."""
        if self.is_unscaled:
            return {}
        return {
            "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": str(self.lease_s),
            "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "2",
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
        }
