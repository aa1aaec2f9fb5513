"""What a client is offered: services that come and go while the gateway runs."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from gateway.onvif.capabilities import CapabilityModel
from gateway.onvif.context import Mounted, Service
from gateway.onvif.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Offer:
    """Announces the same services that it serves."""

    model: CapabilityModel
    endpoint: Endpoint
    changed: Callable[[], None]
    """Tells those who look for devices that services have come or gone."""

    def exchange(self, gone: Collection[Service], come: Collection[Service]) -> None:
        """Offer some services instead of others; those that stay are not touched."""
        ended, begun = [each for each in gone if each not in come], [each for each in come if each not in gone]
        self.remove(ended)
        self.add(begun)
        if ended or begun:
            self.changed()

    def add(self, services: Collection[Service]) -> None:
        """Offer services from now on; `changed` is the caller's."""
        for service in services:
            self.model.register(service)
            self.endpoint.add(service)

    def remove(self, services: Collection[Service]) -> None:
        """Offer services no more; `changed` is the caller's."""
        for service in services:
            self.model.withdraw(service)
            self.endpoint.remove(service)

    def mount(self, service: Mounted) -> None:
        """Offer a service that is not ONVIF's. Raises ValueError for operations that there are already."""
        self.endpoint.mount(service)
        self.model.mount(service)
