"""The gateway's own SOAP service: its state, cameras and storages, and the ranges that are protected from deletion."""

from gateway.sdk.hooks import hookimpl
from gateway.sdk.soap import SoapService
from gateway_extension.service import GatewayService


@hookimpl
def gateway_register_soap_services() -> dict[str, type[SoapService]]:
    """Register the service `gateway`."""
    return {"gateway": GatewayService}
