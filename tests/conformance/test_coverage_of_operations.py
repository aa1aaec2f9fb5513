"""The page of operations is true: made from the contract and the services as they are."""

from pathlib import Path

import pytest
from operations_table import PAGE, SERVICES, missing, not_applicable, official_tests, render, stand_ins

from gateway.onvif.contract import load_contract


def test_the_committed_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(load_contract()), "run: python tests/operations_table.py"


@pytest.mark.parametrize("profile", ["S", "T", "G"])
def test_nothing_mandatory_is_missing_in_these_services(profile: str) -> None:
    assert missing(load_contract(), profile) == []


@pytest.mark.parametrize("service", SERVICES)
def test_services_have_no_operation_that_the_contract_lacks(service: type) -> None:
    known = {operation.name for operation in load_contract().operations(service.namespace)}  # type: ignore[attr-defined]
    own = {name for name in vars(service) if name[:1].isupper()}
    assert own <= known


def test_what_stands_for_official_tests_exists() -> None:
    root = Path(__file__).parents[2]
    named = [row["test"].partition("::") for row in stand_ins()]
    sources = {file: (root / file).read_text(encoding="utf-8") for file, _, _ in named}
    assert [f"{file}::{name}" for file, _, name in named if f"def {name}(" not in sources[file]] == []


@pytest.mark.parametrize("service", ["events", "analytics", "ptz", "imaging", "deviceio", "receiver"])
def test_every_official_test_of_a_service_is_stood_for_or_does_not_apply(service: str) -> None:
    ours, others = {row["id"] for row in stand_ins()}, {row["id"] for row in not_applicable()}
    assert official_tests(service)
    assert official_tests(service) - ours - others == set()
    assert ours & others == set()
