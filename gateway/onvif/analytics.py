"""The Analytics service: rules and modules of motion detection, which a VMS may change."""

from collections.abc import Callable
from typing import Any, ClassVar

from gateway.domain.motion import MotionRegion, MotionResult
from gateway.onvif import analytics_faults as fault
from gateway.onvif.analytics_configurations import AnalyticsConfigurations
from gateway.onvif.analytics_rules import CELL_ENGINE, TT
from gateway.onvif.analytics_supported import supported_modules, supported_rules
from gateway.onvif.capabilities import ANALYTICS
from gateway.onvif.context import Context
from gateway.onvif.metadata import frame

Plain = dict[str, Any]
Audit = Callable[[Context, str, str], None]
"""Takes who did what to what."""

_SAMPLE = MotionResult(0, frozenset({"Motion"}), (MotionRegion(0.25, 0.25, 0.5, 0.75, ("Motion",)),))


class AnalyticsService:
    """Operations of the analytics service (Analytics Service Specification)."""

    namespace: ClassVar[str] = ANALYTICS
    path: ClassVar[str] = "/onvif/analytics_service"

    def __init__(self, configurations: AnalyticsConfigurations, audit: Audit) -> None:
        self._configurations = configurations
        self._audit = audit

    def capabilities(self) -> Plain:
        """Return what is announced: only what works."""
        return {
            "RuleSupport": True,
            "AnalyticsModuleSupport": True,
            "CellBasedSceneDescriptionSupported": False,
            "RuleOptionsSupported": True,
            "AnalyticsModuleOptionsSupported": True,
            "SupportedMetadata": True,
        }

    async def GetSupportedRules(self, request: Plain, _context: Context) -> Plain:
        """List the kinds of rules."""
        self._camera(request)
        return {"SupportedRules": supported_rules()}

    async def GetRuleOptions(self, request: Plain, _context: Context) -> Plain:
        """Tell what may be in rules."""
        self._camera(request)
        options = self._configurations.rule_options()
        wanted = request.get("RuleType")
        if wanted is None:
            return {"RuleOptions": options}
        options = [option for option in options if _full(option["RuleType"]) == wanted]
        if not options:
            raise fault.invalid(fault.RULE, f"there are no rules of the type {wanted}")
        return {"RuleOptions": options}

    async def GetRules(self, request: Plain, _context: Context) -> Plain:
        """List the rules of a camera."""
        return {"Rule": self._configurations.rules(self._camera(request))}

    async def CreateRules(self, request: Plain, context: Context) -> Plain:
        """Add rules to a camera."""
        self._configurations.create_rules(self._camera(request), request["Rule"])
        return self._changed(context, "CreateRules", request, _names(request["Rule"]))

    async def ModifyRules(self, request: Plain, context: Context) -> Plain:
        """Change rules of a camera."""
        self._configurations.modify_rules(self._camera(request), request["Rule"])
        return self._changed(context, "ModifyRules", request, _names(request["Rule"]))

    async def DeleteRules(self, request: Plain, context: Context) -> Plain:
        """Delete rules of a camera."""
        self._configurations.delete_rules(self._camera(request), request["RuleName"])
        return self._changed(context, "DeleteRules", request, request["RuleName"])

    async def GetSupportedAnalyticsModules(self, request: Plain, _context: Context) -> Plain:
        """List the kinds of modules."""
        self._camera(request)
        return {"SupportedAnalyticsModules": supported_modules()}

    async def GetAnalyticsModuleOptions(self, request: Plain, _context: Context) -> Plain:
        """Tell what may be in modules."""
        self._camera(request)
        _check_module_type(request)
        return {"Options": self._configurations.module_options()}

    async def GetAnalyticsModules(self, request: Plain, _context: Context) -> Plain:
        """List the modules of a camera."""
        return {"AnalyticsModule": self._configurations.modules(self._camera(request))}

    async def CreateAnalyticsModules(self, request: Plain, context: Context) -> Plain:
        """Add modules to a camera."""
        self._configurations.create_modules(self._camera(request), request["AnalyticsModule"])
        return self._changed(context, "CreateAnalyticsModules", request, _names(request["AnalyticsModule"]))

    async def ModifyAnalyticsModules(self, request: Plain, context: Context) -> Plain:
        """Change modules of a camera."""
        self._configurations.modify_modules(self._camera(request), request["AnalyticsModule"])
        return self._changed(context, "ModifyAnalyticsModules", request, _names(request["AnalyticsModule"]))

    async def DeleteAnalyticsModules(self, request: Plain, context: Context) -> Plain:
        """Delete modules of a camera."""
        self._configurations.delete_modules(self._camera(request), request["AnalyticsModuleName"])
        return self._changed(context, "DeleteAnalyticsModules", request, request["AnalyticsModuleName"])

    async def GetSupportedMetadata(self, request: Plain, _context: Context) -> Plain:
        """Tell by a sample what the metadata of a stream may hold: bounding boxes of what moves."""
        _check_module_type(request)
        return {"AnalyticsModule": [{"Type": f"tt:{CELL_ENGINE}", "SampleFrame": frame(_SAMPLE)}]}

    def _camera(self, request: Plain) -> str:
        return self._configurations.camera(request["ConfigurationToken"])

    def _changed(self, context: Context, operation: str, request: Plain, names: list[str]) -> Plain:
        self._audit(context, operation, f"{request['ConfigurationToken']}: {', '.join(names)}")
        return {}


def _check_module_type(request: Plain) -> None:
    wanted = request.get("Type")
    if wanted not in {None, _full(f"tt:{CELL_ENGINE}")}:
        raise fault.invalid(fault.MODULE, f"there are no analytics modules of the type {wanted}")


def _names(configs: list[Plain]) -> list[str]:
    return [config["Name"] for config in configs]


def _full(name: str) -> str:
    """Return a QName of tt in full."""
    return f"{{{TT}}}{name.removeprefix('tt:')}"
