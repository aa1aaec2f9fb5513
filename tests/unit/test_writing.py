"""Which policy a client's write meets."""

from pathlib import Path

import pytest

from gateway.config import from_table
from gateway.controlling import write_rules
from gateway.domain.writing import WriteKind, WritePolicy

TABLE = {
    "writes": {
        "imaging": "refuse",
        "client": [
            {"user": "nx", "address": "192.0.2.0/24", "relays": "accept-and-ignore"},
            {"user": "nx", "relays": "refuse", "video_encoder": "accept-and-ignore"},
            {"address": "fd00::/8", "imaging": "apply"},
        ],
    }
}
APPLY, IGNORE, REFUSE = WritePolicy.APPLY, WritePolicy.IGNORE, WritePolicy.REFUSE


@pytest.mark.parametrize(
    ("user", "address", "kind", "policy"),
    [
        ("nx", "192.0.2.7", WriteKind.RELAYS, IGNORE),
        ("nx", "198.51.100.7", WriteKind.RELAYS, REFUSE),
        ("nx", "192.0.2.7", WriteKind.VIDEO_ENCODER, IGNORE),
        ("axxon", "192.0.2.7", WriteKind.VIDEO_ENCODER, APPLY),
        ("axxon", "192.0.2.7", WriteKind.IMAGING, REFUSE),
        ("axxon", "fd00::7", WriteKind.IMAGING, APPLY),
        ("axxon", "somewhere", WriteKind.IMAGING, REFUSE),
        ("nx", "192.0.2.7", WriteKind.PTZ, APPLY),
    ],
)
def test_the_first_rule_that_is_about_client_and_kind_counts(
    user: str, address: str, kind: WriteKind, policy: WritePolicy
) -> None:
    assert write_rules(from_table(TABLE, Path()).writes).policy(user, address, kind) is policy
