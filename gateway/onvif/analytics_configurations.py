"""VideoAnalyticsConfigurations: what the rules of a camera are in media profiles, and changes of them."""

from typing import Any

from gateway.onvif import analytics_faults as fault
from gateway.onvif.analytics_faults import MODULE, RULE
from gateway.onvif.analytics_rules import RuleReader, RuleWriter
from gateway.onvif.codec import Codec
from gateway.onvif.media_faults import no_config
from gateway.onvif.media_model import analytics_token
from gateway.services.motion_rules import CameraRules, CellModule, MotionRules

Plain = dict[str, Any]


class AnalyticsConfigurations:
    """One for each camera that has motion on."""

    def __init__(self, rules: MotionRules, codec: Codec) -> None:
        self._rules = rules
        self._reader, self._writer = RuleReader(codec), RuleWriter(codec)

    @property
    def revision(self) -> int:
        """Count changes."""
        return self._rules.revision

    def content(self, channel: str) -> Plain | None:
        """Return the engine and rule parts of a channel's configuration; None where motion is off."""
        if channel not in self._rules.cameras():
            return None
        return {
            "AnalyticsEngineConfiguration": {"AnalyticsModule": self.modules(channel)},
            "RuleEngineConfiguration": {"Rule": self.rules(channel)},
        }

    def camera(self, token: str) -> str:
        """Return the camera of a configuration. Raises SoapFault NoConfig."""
        for camera in self._rules.cameras():
            if analytics_token(camera) == token:
                return camera
        raise no_config(token, "video analytics configuration")

    def rules(self, camera: str) -> list[Plain]:
        """Return the rules of a camera."""
        return [self._writer.rule(rule) for rule in self._rules.of(camera).rules]

    def modules(self, camera: str) -> list[Plain]:
        """Return the modules of a camera, at most one."""
        module = self._rules.of(camera).module
        return [] if module is None else [self._writer.module(module)]

    def rule_options(self) -> list[Plain]:
        """Return what may be in rules."""
        return self._writer.rule_options()

    def module_options(self) -> list[Plain]:
        """Return what may be in modules."""
        return self._writer.module_options()

    # Changes. All raise SoapFault, and then change nothing.

    def create_rules(self, camera: str, plains: list[Plain]) -> None:
        """Add rules."""
        now = self._rules.of(camera)
        with fault.faults(RULE):
            added = tuple(self._reader.rule(plain, now.hold) for plain in plains)
            self._rules.change(camera, (*now.rules, *added), now.module)

    def modify_rules(self, camera: str, plains: list[Plain]) -> None:
        """Change rules by their names."""
        now = self._rules.of(camera)
        rules = {rule.name: rule for rule in now.rules}
        for plain in plains:
            if plain["Name"] not in rules:
                raise fault.missing(RULE, plain["Name"])
            with fault.faults(RULE):
                rules[plain["Name"]] = self._reader.rule(plain, now.hold, rules[plain["Name"]])
        self._rules.change(camera, tuple(rules.values()), now.module)

    def delete_rules(self, camera: str, names: list[str]) -> None:
        """Delete rules by their names."""
        now = self._rules.of(camera)
        known = {rule.name for rule in now.rules}
        for name in names:
            if name not in known:
                raise fault.missing(RULE, name)
        self._rules.change(camera, tuple(rule for rule in now.rules if rule.name not in names), now.module)

    def create_modules(self, camera: str, plains: list[Plain]) -> None:
        """Add the module, where there is none."""
        now = self._rules.of(camera)
        with fault.faults(MODULE):
            modules = [self._reader.module(plain) for plain in plains]
        if now.module is not None and now.module.name in {module.name for module in modules}:
            raise fault.exists(MODULE, f"there is already a module {now.module.name!r}")
        self._set_modules(camera, now, [*([] if now.module is None else [now.module]), *modules])

    def modify_modules(self, camera: str, plains: list[Plain]) -> None:
        """Change the module, by its name."""
        now = self._rules.of(camera)
        module = now.module
        for plain in plains:
            if module is None or plain["Name"] != module.name:
                raise fault.missing(MODULE, plain["Name"])
            with fault.faults(MODULE):
                module = self._reader.module(plain, module)
        self._rules.change(camera, now.rules, module)

    def delete_modules(self, camera: str, names: list[str]) -> None:
        """Delete the module, by its name."""
        now = self._rules.of(camera)
        for name in names:
            if now.module is None or name != now.module.name:
                raise fault.missing(MODULE, name)
        self._rules.change(camera, now.rules, None)

    def replace(self, channel: str, wanted: Plain) -> None:
        """Take rules and modules as a client has them in a whole configuration."""
        now = self._rules.of(channel)
        known = {rule.name: rule for rule in now.rules}
        with fault.faults(RULE):
            rules = tuple(
                self._reader.rule(plain, now.hold, _same_kind(known.get(plain["Name"]), plain))
                for plain in wanted["RuleEngineConfiguration"].get("Rule", ())
            )
        with fault.faults(MODULE):
            modules = [
                self._reader.module(plain)
                for plain in wanted["AnalyticsEngineConfiguration"].get("AnalyticsModule", ())
            ]
        with fault.faults(RULE):
            self._set_modules(channel, CameraRules(rules), modules)

    def _set_modules(self, camera: str, rules: CameraRules, modules: list[CellModule]) -> None:
        if len(modules) > 1:
            raise fault.too_many(MODULE, f"there can be one module, not {len(modules)}")
        self._rules.change(camera, rules.rules, modules[0] if modules else None)


def _same_kind(rule: Any, plain: Plain) -> Any:  # noqa: ANN401 - a rule or None
    """Return a rule that a new one of its name replaces, if that is of its kind."""
    return rule if rule is not None and str(plain["Type"]).endswith(f"}}{rule.kind}") else None
