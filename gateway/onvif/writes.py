"""What clients write of cameras: refused, ignored or applied as the policy says, and each write in the audit."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from gateway.domain.errors import GatewayError
from gateway.domain.writing import WriteKind, WritePolicy, WriteRules
from gateway.onvif.context import Context
from gateway.onvif.faults import Sender, SoapFault

Audit: TypeAlias = Callable[[Context, str, str], None]
"""Takes who, the operation, and what was to become of it and did."""


class Writes:
    """The gate that every write to a camera goes through."""

    def __init__(self, rules: WriteRules, audit: Audit) -> None:
        self._rules = rules
        self._audit = audit

    def use(self, rules: WriteRules) -> None:
        """Let other rules decide from the next write on."""
        self._rules = rules

    async def perform(
        self,
        context: Context,
        operation: str,
        kind: WriteKind,
        change: str,
        apply: Callable[[], Awaitable[object]],
    ) -> bool:
        """Do a write if the policy says so; tell whether it was done.

        `change` tells what would change, from what to what. Raises SoapFault OperationProhibited, or what `apply` does.
        """
        policy = self._rules.policy(context.account.name, context.address, kind)
        if policy is WritePolicy.REFUSE:
            self._audit(context, operation, f"{change}: refused")
            raise SoapFault(
                Sender, "OperationProhibited", "", f"{operation} is not open to {context.account.name!r} here: {change}"
            )
        if policy is WritePolicy.IGNORE:
            self._audit(context, operation, f"{change}: ignored")
            return False
        try:
            await apply()
        except (SoapFault, GatewayError) as error:
            self._audit(context, operation, f"{change}: failed: {error}")
            raise
        self._audit(context, operation, f"{change}: applied")
        return True

    def check(self, context: Context, operation: str, kind: WriteKind) -> bool:
        """Tell whether a movement, which no audit wants to see, is to be made. Raises SoapFault OperationProhibited."""
        policy = self._rules.policy(context.account.name, context.address, kind)
        if policy is WritePolicy.REFUSE:
            reason = f"{operation} is not open to {context.account.name!r}"
            raise SoapFault(Sender, "OperationProhibited", "", reason)
        return policy is WritePolicy.APPLY
