"""
Inflating a body step by step; what becomes of calls is in the table of odd answers.
"""

from __future__ import annotations

import gzip
import zlib

import pytest

from wechat_kf._http.decoding import MAX_STEP, BadCoding, inflater_for

WHOLE = b"0123456789abcdef" * 1000
ZIPPED = gzip.compress(WHOLE, mtime=0)


def inflated(coding: str, body: bytes, size: int) -> list[bytes]:
    """
    Inflate a body that comes in pieces of this size.
    """
    inflater = inflater_for(coding)
    assert inflater is not None
    steps = [step for at in range(0, len(body), size) for step in inflater.inflate(body[at : at + size])]
    inflater.end()
    return steps


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", ZIPPED),
        (" GZIP ,", ZIPPED),
        ("identity, x-gzip", ZIPPED),
        ("deflate", zlib.compress(WHOLE)),
        ("deflate", zlib.compress(WHOLE)[2:-4]),
    ],
    ids=["gzip", "with blanks", "with identity", "deflate", "bare deflate"],
)
def test_one_coding(coding: str, body: bytes, size: int) -> None:
    """
    A body in one coding is inflated, however it is cut.
    """
    assert b"".join(inflated(coding, body, size)) == WHOLE


@pytest.mark.parametrize("coding", ["", " ", "identity", "identity,,IDENTITY"])
def test_no_coding(coding: str) -> None:
    """
    Where there is no coding, nothing is to be inflated.
    """
    assert inflater_for(coding) is None


@pytest.mark.parametrize("coding", ["gzip, gzip", "deflate,gzip", "br", "compress", "gzip;q=1", "TOKEN"])
def test_other_codings(coding: str) -> None:
    """
    Several codings, and others, are refused in words that quote nothing.
    """
    with pytest.raises(BadCoding, match=r"^its coding is not one gzip or deflate$"):
        inflater_for(coding)


def test_steps_are_small() -> None:
    """
    However much a few bytes hold, no step gives more than it may.
    """
    sizes = [len(step) for step in inflated("gzip", gzip.compress(bytes(20 * MAX_STEP)), 100_000)]

    assert sum(sizes) == 20 * MAX_STEP
    assert max(sizes) == MAX_STEP


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"no gzip at all", "not what its head says"),
        (zlib.compress(WHOLE), "not what its head says"),
        (ZIPPED[:-1], "breaks off"),
        (ZIPPED + ZIPPED, "goes on after its end"),
        (b"\x1f\x8b\x08\x08" + bytes(5) + b"\3" + b"n" * 2**21, "holds nothing"),
    ],
    ids=["another", "deflate", "cut", "longer", "empty"],
)
def test_bad_bodies(body: bytes, problem: str) -> None:
    """
    A body that is not what its head says is refused, and so is one that never gives anything.
    """
    with pytest.raises(BadCoding, match=problem):
        inflated("gzip", body, 100_000)
