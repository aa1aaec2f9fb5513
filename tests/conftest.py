"""What holds for all tests: none depends on how fast the machine is, and one worker has what is costly to keep."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, LoadScopeScheduling

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_SHARERS = (
    "archive",
    "event_clients",
    "foreign_answers",
    "gateway_as_camera",
    "metadata",
    "players",
    "program",
    "replay",
    "vms_clients",
)
"""Files of tests/e2e with the gateway or the camera that run, encode and record until the tests end."""

_LONERS = (
    "test_a_client_logs_in_where_one_way_is_open",
    "test_services_come_and_go_with_the_storage",
    "test_what_clients_make_survives_a_restart",
)
"""Long tests in them with a gateway of their own."""


class OneGateway(LoadFileScheduling):
    """A worker takes a file at a time, and one of them all that share the gateway: a second would double its work."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("[")[0].partition("::")
        if name in _LONERS:
            return name
        return "gateway" if file in {f"tests/e2e/test_{sharer}.py" for sharer in _SHARERS} else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    return OneGateway(config, log) if config.getoption("dist") == "loadfile" else None
