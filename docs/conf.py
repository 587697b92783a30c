"""
How Sphinx builds the manual: ``nox -s docs``. A public name that no page of the reference documents fails the build.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

from sphinx.util.logging import getLogger

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "wechat_kf"
author = "the wechat_kf developers"
version = release = version_of("wechat-kf")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
# Single backticks name something of ours; in docstrings that may also be a parameter, which leads nowhere.
default_role = "py:obj"
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource", "show-inheritance": True}
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
# As a list in the class's text; else each attribute would be described twice.
napoleon_use_ivar = True

# What these show is public.
PUBLIC = (
    "wechat_kf",
    "wechat_kf.api.endpoints",
    "wechat_kf.bot",
    "wechat_kf.broadcast",
    "wechat_kf.instrumentation",
    "wechat_kf.instrumentation.opentelemetry",
    "wechat_kf.stores.redis",
    "wechat_kf.testing",
    "wechat_kf.text",
    "wechat_kf.tokens",
    "wechat_kf.tokens.platform",
    "wechat_kf.webhook",
)


def find_what_is_missing(_: Sphinx, env: BuildEnvironment) -> None:
    """
    Warn of every public name that is documented under none of its public paths.
    """
    described = env.domaindata["py"]["objects"]
    modules = [import_module(name) for name in PUBLIC]
    for module in modules:
        for name in module.__all__:
            thing = getattr(module, name)
            homes = [each.__name__ for each in modules if getattr(each, name, None) is thing]
            if not any(f"{home}.{name}" in described for home in homes):
                getLogger(__name__).warning("%s.%s is on no page of the reference", module.__name__, name)


def setup(app: Sphinx) -> None:
    """
    Let Sphinx look for what is missing once all pages are read.
    """
    app.connect("env-check-consistency", find_what_is_missing)
