"""
WeChat's customer service without Tencent: a stand-in for developing and testing.
"""

from __future__ import annotations

from ._account import FakeAccount
from ._clock import ManualClock
from ._fake import FakeWeChat
from ._faults import ClockSkew, Delay, Drip, DropAfter, DropBefore, Errcode, Fault, Garble, Status, Truncate
from ._feed import PushAttempt
from ._platform import FakePlatform
from .controls.looks import SeenAgent, SeenCustomer
from .machine.limits import Allowance, Limits
from .machine.request import ReceivedCall
from .machine.shown import Shown
from .machine.upload import Part
from .pushes.outgoing import Format, Mode

__all__ = [
    "Allowance",
    "ClockSkew",
    "Delay",
    "Drip",
    "DropAfter",
    "DropBefore",
    "Errcode",
    "FakeAccount",
    "FakePlatform",
    "FakeWeChat",
    "Fault",
    "Format",
    "Garble",
    "Limits",
    "ManualClock",
    "Mode",
    "Part",
    "PushAttempt",
    "ReceivedCall",
    "SeenAgent",
    "SeenCustomer",
    "Shown",
    "Status",
    "Truncate",
]
