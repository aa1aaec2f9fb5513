"""Analytics: rules and modules as a VMS reads and changes them, in the service and in media profiles; all valid."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from lxml import etree
from media_samples import FixedChannels, MemoryStore, channel
from onvif_calls import CODEC, CONTRACT, Caller
from soap_kit import TT, Kit, MemorySettings, body_of, fault_of, request

from gateway.domain.motion import WHOLE_PICTURE, MotionZone
from gateway.domain.motion_rules import ALL_CELLS, COLUMNS, MotionRule, RuleKind
from gateway.onvif.analytics import AnalyticsService
from gateway.onvif.analytics_cells import pack_bits, pack_cells, unpack_bits, unpack_cells
from gateway.onvif.analytics_configurations import AnalyticsConfigurations
from gateway.onvif.context import Context
from gateway.onvif.faults import SoapFault
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.media_profiles import MediaProfiles
from gateway.services.motion_rules import CameraRules, CellModule, MotionRules, cell_rule
from gateway.services.profiles import Profiles

TOKEN = "<tan:ConfigurationToken>VideoAnalytics_yard</tan:ConfigurationToken>"
GHOST = "<tan:ConfigurationToken>ghost</tan:ConfigurationToken>"
NO_CONFIG = ("Sender", "InvalidArgVal", "NoConfig")
GATE = MotionRule(RuleKind.REGION, MotionZone("Gate", ((0.5, 0.0), (1.0, 0.0), (1.0, 0.5)), 60, 0.02, 1.5), 4.0)
KINDS = "tt:CellMotionDetector and tt:MotionRegionDetector"
HALF = frozenset(cell for cell in ALL_CELLS if cell % COLUMNS < COLUMNS // 2)

Validate = Callable[[etree._Element], object]


@dataclass
class Site:
    """A yard with motion on and a door without."""

    rules: MotionRules
    analytics: Caller
    media: Caller
    media2: Caller
    audited: list[tuple[str, str]]

    async def refusal(self, operation: str, content: str) -> tuple[tuple[str, ...], str]:
        """Return codes and reason of a fault; nothing has changed then."""
        before = self.rules.of("yard")
        with pytest.raises(SoapFault) as refused:
            await self.analytics(operation, content)
        assert self.rules.of("yard") == before
        return (refused.value.code.value, *refused.value.subcodes), refused.value.reason


@pytest.fixture
def site(validate: Validate) -> Site:
    configured = CameraRules((cell_rule("Motion", ALL_CELLS, hold=4.0), GATE), hold=4.0)
    rules = MotionRules({"yard": configured}, MemorySettings())
    configurations = AnalyticsConfigurations(rules, CODEC)
    profiles = MediaProfiles(
        FixedChannels(channel("yard"), channel("door")), Profiles(MemoryStore()), analytics=configurations
    )
    audited: list[tuple[str, str]] = []

    def audit(_context: Context, operation: str, detail: str) -> None:
        audited.append((operation, detail))

    callers = (
        Caller(service, validate)
        for service in (AnalyticsService(configurations, audit), MediaService(profiles), Media2Service(profiles))
    )
    return Site(rules, *callers, audited)


def config(tag: str, name: str, kind: str, items: dict[str, object], element: str = "") -> str:
    simple = "".join(f'<tt:SimpleItem Name="{key}" Value="{value}"/>' for key, value in items.items())
    return f'<{tag} Name="{name}" Type="{kind}"><tt:Parameters>{simple}{element}</tt:Parameters></{tag}>'


def cells(name: str, **items: object) -> str:
    return config("tan:Rule", name, "tt:CellMotionDetector", items)


def region(name: str, points: str = "-1,-1 0,-1 0,1", attributes: str = 'Armed="true" Sensitivity="0.7"') -> str:
    corners = "".join(f'<tt:Point x="{x}" y="{y}"/>' for x, y in (point.split(",") for point in points.split()))
    element = (
        f'<tt:ElementItem Name="MotionRegion"><axt:MotionRegionConfig {attributes}><tt:Polygon>{corners}</tt:Polygon>'
        "</axt:MotionRegionConfig></tt:ElementItem>"
    )
    return config("tan:Rule", name, "tt:MotionRegionDetector", {}, element)


def module(name: str, **items: object) -> str:
    return config("tan:AnalyticsModule", name, "tt:CellMotionEngine", items)


def simple(plain: dict[str, Any]) -> dict[str, str]:
    return {item["Name"]: item["Value"] for item in plain["Parameters"].get("SimpleItem", ())}


def element(answer: dict[str, Any], site: Site, operation: str, name: str) -> etree._Element:
    """Return the content of an element item, as it is sent."""
    sent = site.analytics.element(operation, answer)
    return next(item[0] for item in sent.iter("{*}ElementItem") if item.get("Name") == name)


def test_every_operation_is_there() -> None:
    names = {operation.name for operation in CONTRACT.operations(AnalyticsService.namespace)}
    assert not {name for name in names - {"GetServiceCapabilities"} if not hasattr(AnalyticsService, name)}


async def test_supported_metadata_is_a_sample_of_a_frame(site: Site) -> None:
    for content in ("", "<tan:Type>tt:CellMotionEngine</tan:Type>"):
        (found,) = (await site.analytics("GetSupportedMetadata", content))["AnalyticsModule"]
        (seen,) = found["SampleFrame"]["Object"]
        box = {"left": -0.5, "top": 0.5, "right": 0.0, "bottom": -0.5}
        assert seen["Appearance"]["Shape"]["BoundingBox"] == box
    codes, reason = await site.refusal("GetSupportedMetadata", "<tan:Type>tt:Ghost</tan:Type>")
    assert codes == ("Sender", "InvalidArgVal", "InvalidModule")
    assert reason == "there are no analytics modules of the type {http://www.onvif.org/ver10/schema}Ghost"


async def test_unknown_configurations_are_refused(site: Site) -> None:
    contents = {
        "CreateRules": cells("a"),
        "ModifyRules": cells("a"),
        "DeleteRules": "<tan:RuleName>a</tan:RuleName>",
        "CreateAnalyticsModules": module("a"),
        "ModifyAnalyticsModules": module("a"),
        "DeleteAnalyticsModules": "<tan:AnalyticsModuleName>a</tan:AnalyticsModuleName>",
    }
    names = {each.name for each in CONTRACT.operations(AnalyticsService.namespace)}
    for name in sorted(names - {"GetServiceCapabilities", "GetSupportedMetadata"}):
        codes, reason = await site.refusal(name, GHOST + contents.get(name, ""))
        assert codes == NO_CONFIG
        assert reason == "video analytics configuration token 'ghost' does not exist"


async def test_supported_rules_and_their_events(site: Site) -> None:
    found = (await site.analytics("GetSupportedRules", TOKEN))["SupportedRules"]
    names = [each["Name"].rpartition(":")[2] for each in found["RuleDescription"]]
    assert names == ["CellMotionDetector", "MotionRegionDetector"]
    messages = [each["Messages"][0] for each in found["RuleDescription"]]
    assert [message["ParentTopic"] for message in messages] == [
        "tns1:RuleEngine/CellMotionDetector/Motion",
        "tns1:RuleEngine/MotionRegionDetector/Motion",
    ]
    assert all(message["IsProperty"] for message in messages)


async def test_rules_are_listed(site: Site) -> None:
    answer = await site.analytics("GetRules", TOKEN)
    motion, gate = answer["Rule"]
    assert (motion["Name"], gate["Name"]) == ("Motion", "Gate")
    packed = b64encode(pack_cells(ALL_CELLS)).decode()
    expected = {"MinCount": "1", "AlarmOnDelay": "0", "AlarmOffDelay": "4000", "ActiveCells": packed}
    assert simple(motion) == expected
    sent = element(answer, site, "GetRules", "MotionRegion")
    assert dict(sent.attrib) == {"Armed": "true", "Sensitivity": "0.6"}
    points = [(float(point.get("x")), float(point.get("y"))) for point in sent.iter("{*}Point")]
    assert points == [(0, 1), (1, 1), (1, 0)]


async def test_rules_are_created_changed_and_deleted(site: Site) -> None:
    active = b64encode(pack_cells(HALF)).decode()
    content = cells("Left", MinCount=4, AlarmOnDelay=500, AlarmOffDelay=2500, ActiveCells=active) + region("West")
    await site.analytics("CreateRules", TOKEN + content)
    left, west = site.rules.of("yard").rules[2:]
    assert left == cell_rule("Left", HALF, min_cells=4, delay=0.5, hold=2.5)
    assert west == MotionRule(RuleKind.REGION, MotionZone("West", ((0, 1), (0.5, 1), (0.5, 0)), 70), 4.0)
    await site.analytics(
        "ModifyRules", TOKEN + cells("Left", MinCount=8) + region("Gate", attributes='Sensitivity="0"')
    )
    _, gate, left, west = site.rules.of("yard").rules
    assert left == cell_rule("Left", HALF, min_cells=8, delay=0.5, hold=2.5)
    assert gate == replace(GATE, zone=replace(GATE.zone, polygon=((0, 1), (0.5, 1), (0.5, 0)), sensitivity=0))
    await site.analytics("DeleteRules", TOKEN + "<tan:RuleName>Left</tan:RuleName><tan:RuleName>Motion</tan:RuleName>")
    assert site.rules.of("yard").rules == (gate, west)
    assert site.audited == [
        ("CreateRules", "VideoAnalytics_yard: Left, West"),
        ("ModifyRules", "VideoAnalytics_yard: Left, Gate"),
        ("DeleteRules", "VideoAnalytics_yard: Left, Motion"),
    ]


async def test_what_a_rule_leaves_out_is_as_usual(site: Site) -> None:
    bare = config("tan:Rule", "All", "tt:MotionRegionDetector", {})
    await site.analytics("CreateRules", TOKEN + cells("Bare") + bare)
    created, whole = site.rules.of("yard").rules[2:]
    assert created == cell_rule("Bare", ALL_CELLS, hold=4.0)
    assert whole.zone.polygon == WHOLE_PICTURE


@pytest.mark.parametrize(
    ("rule", "code", "reason"),
    [
        (cells("Gate"), "RuleAlreadyExistent", "there is already a rule 'Gate'"),
        (cells("a") * 2, "RuleAlreadyExistent", "there is already a rule 'a'"),
        (cells(" "), "InvalidRule", "the name ' ' must have 1 to 64 printable characters"),
        (cells("a", MinCount=0), "InvalidRule", "MinCount of 'a' must be a whole number from 1 to 396, not '0'"),
        (cells("a", MinCount="x"), "InvalidRule", "MinCount of 'a' must be a whole number from 1 to 396, not 'x'"),
        (cells("a", Speed=1), "InvalidRule", "'a' has no parameter 'Speed'"),
        (
            cells("a", ActiveCells="zwA"),
            "InvalidRule",
            "ActiveCells 'zwA' of 'a' can't be read: Incorrect padding",
        ),
        (
            cells("a", ActiveCells="AAA="),
            "InvalidRule",
            "ActiveCells 'AAA=' of 'a' can't be read: the active cells are 1 bytes, not 50 for 22 by 18 cells",
        ),
        (cells("a", ActiveCells="zwA="), "InvalidRule", "no cell is active"),
        (region("a", "-1,-1 0,-1 0,2"), "InvalidRule", "the corner (0, 2) of the region 'a' is not within -1 and 1"),
        (region("a", "0,0 " * 65), "InvalidRule", "the region 'a' can have 64 corners, not 65"),
        (
            region("a", attributes='Armed="false"'),
            "InvalidRule",
            "the region 'a' can be neither disarmed nor bound to a preset",
        ),
        (
            region("a", attributes='Sensitivity="7"'),
            "InvalidRule",
            "the sensitivity of the region 'a' must be from 0 to 1, not 7",
        ),
        (
            config("tan:Rule", "a", "tt:LineDetector", {}),
            "InvalidRule",
            f"there are no rules of the type {{{TT}}}LineDetector, only {KINDS}",
        ),
    ],
)
async def test_rules_that_can_not_be_are_refused(site: Site, rule: str, code: str, reason: str) -> None:
    assert await site.refusal("CreateRules", TOKEN + rule) == (("Sender", "InvalidArgVal", code), reason)


async def test_rules_have_a_limit_and_names_that_exist(site: Site) -> None:
    many = "".join(cells(str(number)) for number in range(15))
    codes, reason = await site.refusal("CreateRules", TOKEN + many)
    assert codes == ("Receiver", "Action", "TooManyRules")
    assert reason == "camera 'yard' can have 16 rules, not 17"
    missing = (("Sender", "InvalidArgVal", "RuleNotExistent"), "there is no rule 'ghost'")
    assert await site.refusal("ModifyRules", TOKEN + cells("ghost")) == missing
    assert await site.refusal("DeleteRules", TOKEN + "<tan:RuleName>ghost</tan:RuleName>") == missing
    codes, reason = await site.refusal("ModifyRules", TOKEN + cells("Gate"))
    assert codes == ("Sender", "InvalidArgVal", "InvalidRule")
    assert reason == "the rule 'Gate' is a MotionRegionDetector, and can't become a CellMotionDetector"


async def test_rule_options(site: Site) -> None:
    options = (await site.analytics("GetRuleOptions", TOKEN))["RuleOptions"]
    assert [option["Name"] for option in options] == ["MinCount", "AlarmOnDelay", "AlarmOffDelay", "MotionRegion"]
    kind = "<tan:RuleType>tt:MotionRegionDetector</tan:RuleType>"
    answer = await site.analytics("GetRuleOptions", kind + TOKEN)
    (option,) = site.analytics.element("GetRuleOptions", answer)
    told = {child.tag.rpartition("}")[2]: child.text for child in option[0]}
    assert (told["PolygonSupport"], told["RuleNotification"], told["DisarmSupport"]) == ("true", "true", "false")
    codes, reason = await site.refusal("GetRuleOptions", "<tan:RuleType>tt:Ghost</tan:RuleType>" + TOKEN)
    assert codes == ("Sender", "InvalidArgVal", "InvalidRule")
    assert reason == "there are no rules of the type {http://www.onvif.org/ver10/schema}Ghost"


async def test_the_module_and_its_layout(site: Site) -> None:
    found = (await site.analytics("GetSupportedAnalyticsModules", TOKEN))["SupportedAnalyticsModules"]
    assert [
        (each["Name"].rpartition(":")[2], each["maxInstances"]) for each in found["AnalyticsModuleDescription"]
    ] == [("CellMotionEngine", 1)]
    answer = await site.analytics("GetAnalyticsModules", TOKEN)
    (own,) = answer["AnalyticsModule"]
    assert (own["Name"], simple(own)) == ("CellMotionEngine", {"Sensitivity": "50"})
    layout = element(answer, site, "GetAnalyticsModules", "Layout")
    assert dict(layout.attrib) == {"Columns": "22", "Rows": "18"}
    assert [dict(vector.attrib) for vector in layout[0]] == [{"x": "-1", "y": "1"}, {"x": "0.090909", "y": "-0.111111"}]
    options = (await site.analytics("GetAnalyticsModuleOptions", TOKEN))["Options"]
    assert [(option["Name"], option["Type"]) for option in options] == [("Sensitivity", "tt:IntRange")]
    codes, _ = await site.refusal("GetAnalyticsModuleOptions", "<tan:Type>tt:Ghost</tan:Type>" + TOKEN)
    assert codes == ("Sender", "InvalidArgVal", "InvalidModule")


async def test_the_module_is_changed_deleted_and_created(site: Site) -> None:
    await site.analytics("ModifyAnalyticsModules", TOKEN + module("CellMotionEngine", Sensitivity=90))
    assert site.rules.of("yard").module == CellModule(sensitivity=90)
    await site.analytics(
        "DeleteAnalyticsModules", TOKEN + "<tan:AnalyticsModuleName>CellMotionEngine</tan:AnalyticsModuleName>"
    )
    assert (await site.analytics("GetAnalyticsModules", TOKEN))["AnalyticsModule"] == []
    layout = (
        '<tt:ElementItem Name="Layout"><tt:CellLayout Columns="22" Rows="18"><tt:Transformation/></tt:CellLayout>'
        "</tt:ElementItem>"
    )
    own = config("tan:AnalyticsModule", "Mine", "tt:CellMotionEngine", {"Sensitivity": 20}, layout)
    await site.analytics("CreateAnalyticsModules", TOKEN + own)
    assert site.rules.of("yard").module == CellModule("Mine", 20)


@pytest.mark.parametrize(
    ("operation", "content", "codes", "reason"),
    [
        (
            "CreateAnalyticsModules",
            module("CellMotionEngine"),
            ("Sender", "InvalidArgVal", "NameAlreadyExistent"),
            "there is already a module 'CellMotionEngine'",
        ),
        (
            "CreateAnalyticsModules",
            module("Other"),
            ("Receiver", "Action", "TooManyModules"),
            "there can be one module, not 2",
        ),
        (
            "ModifyAnalyticsModules",
            module("ghost"),
            ("Sender", "InvalidArgVal", "NameNotExistent"),
            "there is no module 'ghost'",
        ),
        (
            "DeleteAnalyticsModules",
            "<tan:AnalyticsModuleName>ghost</tan:AnalyticsModuleName>",
            ("Sender", "InvalidArgVal", "NameNotExistent"),
            "there is no module 'ghost'",
        ),
        (
            "ModifyAnalyticsModules",
            module("CellMotionEngine", Sensitivity=101),
            ("Sender", "InvalidArgVal", "InvalidModule"),
            "Sensitivity of 'CellMotionEngine' must be a whole number from 0 to 100, not '101'",
        ),
        (
            "ModifyAnalyticsModules",
            config(
                "tan:AnalyticsModule",
                "CellMotionEngine",
                "tt:CellMotionEngine",
                {},
                '<tt:ElementItem Name="Layout"><tt:CellLayout Columns="8" Rows="6"/></tt:ElementItem>',
            ),
            ("Sender", "InvalidArgVal", "InvalidModule"),
            "the layout of 'CellMotionEngine' is 22 by 18 cells, not 8 by 6",
        ),
    ],
)
async def test_modules_that_can_not_be_are_refused(
    site: Site, operation: str, content: str, codes: tuple[str, ...], reason: str
) -> None:
    assert await site.refusal(operation, TOKEN + content) == (codes, reason)


async def test_profiles_carry_the_configuration(site: Site) -> None:
    old = (await site.media("GetProfiles"))["Profiles"]
    new = (await site.media2("GetProfiles", "<tr2:Type>All</tr2:Type>"))["Profiles"]
    assert ["VideoAnalyticsConfiguration" in profile for profile in old] == [True, True, False, False]
    assert ["Analytics" in profile["Configurations"] for profile in new] == [True, True, False, False]
    assert old[0]["VideoAnalyticsConfiguration"]["token"] == "VideoAnalytics_yard"
    (listed,) = (await site.media2("GetAnalyticsConfigurations"))["Configurations"]
    assert listed["UseCount"] == 2
    assert [rule["Name"] for rule in listed["RuleEngineConfiguration"]["Rule"]] == ["Motion", "Gate"]
    await site.analytics("DeleteRules", TOKEN + "<tan:RuleName>Motion</tan:RuleName>")
    changed = (await site.media("GetProfiles"))["Profiles"][0]["VideoAnalyticsConfiguration"]
    assert [rule["Name"] for rule in changed["RuleEngineConfiguration"]["Rule"]] == ["Gate"]


async def test_an_analytics_configuration_of_no_such_token(site: Site) -> None:
    with pytest.raises(SoapFault, match="configuration token 'ghost' does not exist"):
        await site.media2("GetAnalyticsConfigurations", "<tr2:ConfigurationToken>ghost</tr2:ConfigurationToken>")


async def test_a_profile_of_a_client_takes_and_loses_it(site: Site) -> None:
    name = "<tr2:Name>Mine</tr2:Name>"
    token = (await site.media2("CreateProfile", name))["Token"]
    reference = "<tr2:Configuration><tr2:Type>{}</tr2:Type><tr2:Token>{}</tr2:Token></tr2:Configuration>"
    profile = f"<tr2:ProfileToken>{token}</tr2:ProfileToken>"
    await site.media2("AddConfiguration", profile + reference.format("Analytics", "VideoAnalytics_yard"))
    one = f"<tr2:Token>{token}</tr2:Token><tr2:Type>Analytics</tr2:Type>"
    (found,) = (await site.media2("GetProfiles", one))["Profiles"]
    assert list(found["Configurations"]) == ["Analytics"]
    source = reference.format("VideoSource", "VideoSourceConfiguration_door")
    with pytest.raises(SoapFault, match="they belong to the channels door and yard"):
        await site.media2("AddConfiguration", profile + source)
    await site.media2("RemoveConfiguration", profile + reference.format("Analytics", ""))
    (found,) = (await site.media2("GetProfiles", one))["Profiles"]
    assert not found.get("Configurations")


async def test_media1_reads_adds_and_removes(site: Site) -> None:
    configuration = "<trt:ConfigurationToken>VideoAnalytics_yard</trt:ConfigurationToken>"
    all_of_them = (await site.media("GetVideoAnalyticsConfigurations"))["Configurations"]
    one = (await site.media("GetVideoAnalyticsConfiguration", configuration))["Configuration"]
    assert [each["token"] for each in all_of_them] == [one["token"]] == ["VideoAnalytics_yard"]
    profile = "<trt:ProfileToken>{}</trt:ProfileToken>"
    yard, door = (profile.format(f"{name}_main") for name in ("yard", "door"))
    assert len((await site.media("GetCompatibleVideoAnalyticsConfigurations", yard))["Configurations"]) == 1
    assert (await site.media("GetCompatibleVideoAnalyticsConfigurations", door))["Configurations"] == []
    created = (await site.media("CreateProfile", "<trt:Name>Mine</trt:Name>"))["Profile"]["token"]
    await site.media("AddVideoAnalyticsConfiguration", profile.format(created) + configuration)
    assert "VideoAnalyticsConfiguration" in (await site.media("GetProfile", profile.format(created)))["Profile"]
    await site.media("RemoveVideoAnalyticsConfiguration", profile.format(created))
    assert "VideoAnalyticsConfiguration" not in (await site.media("GetProfile", profile.format(created)))["Profile"]


async def test_media1_writes_a_whole_configuration(site: Site) -> None:
    rule, engine = cells("Left", AlarmOffDelay=1000), module("Mine", Sensitivity=10)
    content = (
        '<trt:Configuration token="VideoAnalytics_yard"><tt:Name>Yard watch</tt:Name><tt:UseCount>2</tt:UseCount>'
        f"<tt:AnalyticsEngineConfiguration>{engine}</tt:AnalyticsEngineConfiguration>"
        f"<tt:RuleEngineConfiguration>{rule}{region('Gate')}</tt:RuleEngineConfiguration></trt:Configuration>"
        "<trt:ForcePersistence>true</trt:ForcePersistence>"
    ).replace("tan:", "tt:")
    await site.media("SetVideoAnalyticsConfiguration", content)
    now = site.rules.of("yard")
    assert [rule.name for rule in now.rules] == ["Left", "Gate"]
    assert (now.rules[1].zone.min_size, now.module) == (GATE.zone.min_size, CellModule("Mine", 10))
    (listed,) = (await site.media("GetVideoAnalyticsConfigurations"))["Configurations"]
    assert listed["Name"] == "Yard watch"
    with pytest.raises(SoapFault, match="'Left' has no parameter 'Ghost'"):
        await site.media("SetVideoAnalyticsConfiguration", content.replace("AlarmOffDelay", "Ghost"))
    assert site.rules.of("yard") == now


async def test_a_reset_brings_back_what_is_configured(site: Site) -> None:
    before = site.rules.of("yard")
    await site.analytics("DeleteRules", TOKEN + "<tan:RuleName>Motion</tan:RuleName>")
    site.rules.reset()
    assert site.rules.of("yard") == before


async def test_announced_for_operators_to_change(site: Site, validate: Callable[..., Any]) -> None:
    kit = Kit((site.analytics.service, site.media.service))
    answer = body_of((await kit.call(request("GetServices", IncludeCapability="true"))).body)
    validate(answer)
    namespace = AnalyticsService.namespace
    announced = answer.find(f".//{{{namespace}}}Capabilities")
    own = body_of((await kit.call(f'<GetServiceCapabilities xmlns="{namespace}"/>', "")).body)
    validate(own)
    assert dict(announced.attrib) == dict(own[0].attrib)
    old = body_of((await kit.call(request("GetCapabilities", Category="Analytics"))).body)
    told = {each.tag.rpartition("}")[2]: each.text for each in old.find(".//{*}Analytics")}
    address = "http://192.0.2.10:8080/onvif/analytics_service"
    assert told == {"XAddr": address, "RuleSupport": "true", "AnalyticsModuleSupport": "true"}
    token = "<ConfigurationToken>VideoAnalytics_yard</ConfigurationToken>"
    read, write = (
        f'<{name} xmlns="{namespace}">{token}{more}</{name}>'
        for name, more in (("GetRules", ""), ("DeleteRules", "<RuleName>Gate</RuleName>"))
    )
    validate((await kit.call(read, "viewer")).body, "GetRules")
    assert fault_of(await kit.call(write, "viewer")).subcodes == ("ter:NotAuthorized",)
    validate((await kit.call(write, "operator")).body, "DeleteRules")


@pytest.mark.parametrize(
    ("data", "packed"),
    [
        (b"", ""),
        (b"\x00" * 50, "cf00"),
        (b"\x01\x02\x03", "02010203"),
        (b"\x01\x02\x02\x02\x03", "0001fe020003"),
        (b"\xff" * 130, "81ffffff"),
        (bytes(range(130)), "7f" + bytes(range(128)).hex() + "018081"),
    ],
)
def test_pack_bits(data: bytes, packed: str) -> None:
    assert pack_bits(data).hex() == packed
    assert unpack_bits(pack_bits(data)) == data


def test_pack_bits_of_others() -> None:
    assert unpack_bits(bytes.fromhex("80fe0280")) == b"\x02\x02\x02"
    with pytest.raises(ValueError, match="'05aa' end too early for PackBits"):
        unpack_bits(b"\x05\xaa")


def test_cells_survive_packing() -> None:
    for some in (ALL_CELLS, HALF, frozenset({0, 395}), frozenset[int]()):
        assert unpack_cells(pack_cells(some)) == some
