"""
A file that appears whole or not at all, step by step.
"""

from __future__ import annotations

from pathlib import Path

from wechat_kf.api.part_file import PartFile


def test_steps_after_the_last(tmp_path: Path) -> None:
    """
    A step of a file that comes after it was discarded, from a thread that was late, does nothing.
    """
    part = PartFile(tmp_path / "a.jpg")
    part.open()
    part.write(b"content")
    part.discard()
    part.open()
    part.write(b"content")
    part.publish()
    part.discard()

    assert list(tmp_path.iterdir()) == []
