"""Every response body is held against the published schemas."""

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree
from soap_kit import Kit

from gateway.onvif.codec import Codec
from gateway.onvif.contract import load_contract
from gateway.onvif.validation import Validator

Validate = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def validator() -> Validator:
    return Validator(load_contract())


@pytest.fixture(scope="session")
def validate(validator: Validator) -> Validate:
    """Return `validate(response, operation="") -> plain values`; it fails on anything invalid.

    The response is a whole envelope in bytes, or the response element alone.
    """
    codec = Codec(load_contract())

    def check(response: bytes | etree._Element, operation: str = "") -> dict[str, Any]:
        element = _body(response) if isinstance(response, bytes) else response
        if operation:
            assert etree.QName(element).localname == f"{operation}Response", response
        assert validator.errors(element) == [], etree.tostring(element)
        return codec.decode(element)

    return check


def _body(data: bytes) -> etree._Element:
    root = etree.fromstring(data)
    body = root.find(f"{{{etree.QName(root).namespace}}}Body")
    assert body is not None, data
    assert len(body) == 1, data
    return body[0]


@pytest.fixture
def kit() -> Kit:
    return Kit()
