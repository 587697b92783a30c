"""
``wechat-kf doctor``: looks at everything that has to be right, and says what is not.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
from cyclopts import App

from ._callback import look_at_callback
from ._exits import Exit
from ._findings import Finding, State
from ._health import look_at_account, look_at_environment, look_at_hosts
from ._options import COMMON, Common
from ._output import Output
from ._settings import Settings
from ._stopping import Stop

__all__ = ["add_to", "doctor"]

_STYLES: Final = {State.OK: "green", State.WRONG: "bold red", State.NOTE: "yellow", State.SKIPPED: "dim"}


def add_to(app: App) -> None:
    """
    Add the command.
    """
    app.command(doctor)


def doctor(*, callback: str | None = None, common: Common = COMMON) -> int:
    """
    Look whether all is well: settings, network, clock, credentials, allow-list, quota, callback URL.

    Each line says what was looked at, whether it is well, why, and what to do. Nothing is changed.

    Args:
        callback: The URL at which WeChat calls your server, as it stands in the console; else WECHAT_CALLBACK_URL. It
            is called as WeChat calls it, with WECHAT_TOKEN.
    """

    async def work(_: Stop) -> int:
        report = _Report(common.out)
        try:
            await _look(report, settings, callback)
        finally:
            report.end()
        return Exit.PARTLY if report.is_unwell else Exit.DONE

    settings = common.settings()
    return common.start(work)


async def _look(report: _Report, settings: Settings, callback: str | None) -> None:
    for finding in look_at_environment(settings):
        report.add(finding)
    for finding in await look_at_hosts(settings.base_urls()):
        report.add(finding)
    for finding in await look_at_account(settings):
        report.add(finding)
    for finding in await look_at_callback(callback or settings.get("WECHAT_CALLBACK_URL"), settings):
        report.add(finding)


@attrs.define
class _Report:
    """
    Tells findings as they come; programs get them at the end.
    """

    _out: Output
    _findings: list[Finding] = attrs.field(factory=list[Finding], init=False)

    @property
    def is_unwell(self) -> bool:
        return any(each.state is State.WRONG for each in self._findings)

    def add(self, finding: Finding) -> None:
        self._findings.append(finding)
        if not self._out.as_json:
            remedy = f" {finding.remedy}" if finding.remedy else ""
            text = f"{finding.check}: {finding.why}{remedy}"
            self._out.labelled(finding.state.value, _STYLES[finding.state], text)

    def end(self) -> None:
        if self._out.as_json:
            found: list[dict[str, Any]] = [attrs.asdict(each) for each in self._findings]
            self._out.value({"well": not self.is_unwell, "findings": found}, "")
