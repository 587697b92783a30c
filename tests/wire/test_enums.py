"""
Numbers with names, and those without.
"""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from wechat_kf import KfStatus, OperCode


def test_known_numbers() -> None:
    """
    A number with a name is the member of that name.
    """
    assert OperCode(2002) is OperCode.AGENT_SENT
    assert not KfStatus.OFFLINE
    assert [status for status in KfStatus if status] == [KfStatus.WEB, KfStatus.MOBILE, KfStatus.BOTH]


def test_unknown_numbers() -> None:
    """
    A number without a name is a value of the class that is and shows the number.
    """
    code = OperCode(99999)

    assert type(code) is OperCode
    assert (code, code.value, f"{code}", json.dumps(code), code.name) == (
        99999,
        99999,
        "99999",
        "99999",
        "UNKNOWN_99999",
    )
    assert {code: 1}[OperCode(99999)] == 1
    assert pickle.loads(pickle.dumps(code)) == copy.deepcopy(code) == code  # noqa: S301 - it is this test's own
    assert code not in list(OperCode)


@pytest.mark.parametrize("value", ["x", True, 1.5, None], ids=repr)
def test_no_numbers(value: object) -> None:
    """
    What is no whole number is refused.
    """
    with pytest.raises(ValueError, match="not a valid OperCode"):
        OperCode(value)  # type: ignore[arg-type]
