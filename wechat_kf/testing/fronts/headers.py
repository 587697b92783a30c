"""
What keeps a page safe that is shown in a browser.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SAFE"]

SAFE: Final = {
    # Nothing but the stand-in's own files and the customers' pictures; no inline script or style, no other host.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
"""
The headers of whatever a browser is given.
"""
