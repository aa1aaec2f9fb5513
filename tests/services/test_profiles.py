"""What VMSs make and write survives a restart, within limits."""

import logging

import pytest
from media_samples import MemoryStore

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.services.profiles import (
    VIRTUAL_LIMIT,
    ConfigurationKind,
    ConfigurationSettings,
    MulticastGroup,
    Profiles,
    VirtualProfile,
)

SOURCE = {ConfigurationKind.VIDEO_SOURCE: "VideoSourceConfiguration_yard"}


def test_a_created_profile_survives_a_restart_in_order() -> None:
    store = MemoryStore()
    profiles = Profiles(store)
    first = profiles.create("First", "", SOURCE)
    second = profiles.create("Second", "SynoProfile")
    assert Profiles(store).virtual() == (first, second)


def test_made_tokens_are_not_numeric_and_never_the_same() -> None:
    profiles = Profiles(MemoryStore())
    tokens = {profiles.create("x").token for _ in range(8)}
    assert len(tokens) == 8
    assert all(token.startswith("Profile_") and len(token) <= 64 for token in tokens)


def test_a_deleted_profile_is_gone_for_good() -> None:
    store = MemoryStore()
    profiles = Profiles(store)
    profiles.create("First", "mine")
    profiles.delete("mine")
    assert profiles.virtual() == Profiles(store).virtual() == ()


def test_a_token_in_use_is_refused() -> None:
    profiles = Profiles(MemoryStore())
    profiles.create("First", "mine")
    with pytest.raises(GatewayError, match="a profile with the token 'mine' already exists") as refused:
        profiles.create("Again", "mine")
    assert refused.value.kind is ErrorKind.CONFLICT


def test_the_number_of_profiles_is_limited() -> None:
    profiles = Profiles(MemoryStore())
    for number in range(VIRTUAL_LIMIT):
        profiles.create(f"Profile {number}")
    with pytest.raises(GatewayError, match="there are already 32 profiles made by clients") as refused:
        profiles.create("One more")
    assert refused.value.kind is ErrorKind.LIMIT


def test_long_names_and_tokens_are_refused() -> None:
    profiles = Profiles(MemoryStore())
    with pytest.raises(GatewayError, match="is longer than 64 characters"):
        profiles.create("n" * 65)
    with pytest.raises(GatewayError, match="is longer than 64 characters"):
        profiles.create("fine", "t" * 65)
    assert profiles.virtual() == ()


def test_deleting_what_is_not_there_is_refused() -> None:
    with pytest.raises(GatewayError, match="no profile made by a client has the token 'ghost'") as refused:
        Profiles(MemoryStore()).delete("ghost")
    assert refused.value.kind is ErrorKind.NOT_FOUND


def test_edits_of_fixed_profiles_and_settings_survive_a_restart() -> None:
    store = MemoryStore()
    profiles = Profiles(store)
    edit = VirtualProfile("yard_main", "Yard", {ConfigurationKind.METADATA: "Metadata_yard"})
    settings = ConfigurationSettings("Yard video", MulticastGroup("239.9.9.9", 6000, 8), 30.0)
    profiles.change(edit, fixed=True)
    profiles.configure(ConfigurationKind.VIDEO_ENCODER, "VideoEncoder_yard_main", settings)
    again = Profiles(store)
    assert again.edit("yard_main") == edit
    assert again.virtual() == ()
    assert again.settings("VideoEncoder_yard_main") == settings
    assert again.settings("VideoEncoder_yard_sub") == ConfigurationSettings()


def test_watchers_learn_of_every_change() -> None:
    profiles = Profiles(MemoryStore())
    seen: list[tuple[str, str]] = []
    profiles.watch(lambda kind, token: seen.append((kind, token)))
    mine = profiles.create("First", "mine")
    profiles.change(mine)
    profiles.configure(ConfigurationKind.METADATA, "Metadata_yard", ConfigurationSettings())
    profiles.delete("mine")
    assert seen == [("Profile", "mine"), ("Profile", "mine"), ("Metadata", "Metadata_yard"), ("Profile", "mine")]


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"token": "t", "name": "n", "kind": "unheard of", "configurations": {}},
        {"token": "t", "name": "n", "kind": "profile", "configurations": {"Receiver": "x"}},
        {"token": "t", "name": "n", "kind": "settings", "multicast": {"address": "239.1.1.1"}, "session_timeout": 1},
    ],
)
def test_a_damaged_record_is_left_out_and_named(record: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    store.records = {"bad": record}
    Profiles(store).create("Good", "good")
    with caplog.at_level(logging.WARNING):
        profiles = Profiles(store)
    assert [profile.token for profile in profiles.virtual()] == ["good"]
    assert "a stored media profile record" in caplog.text
