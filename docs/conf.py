"""Sphinx configuration."""

from importlib.metadata import version as installed_version

project = "Vultus"
author = "The Vultus authors"
copyright = f"2026, {author}"
release = installed_version("vultus")

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# One page per package, made anew at each build from the docstrings. One per module would make the
# navigation tree, which every page carries, so large that a build takes minutes instead of seconds.
apidoc_modules = [
    {
        "path": "../src/vultus",
        "destination": "reference/api",
        "separate_modules": False,
        "module_first": True,
        "max_depth": 2,
        "automodule_options": {"members", "show-inheritance"},
    }
]
toc_object_entries = False  # every page would carry all of them
autodoc_typehints = "both"
autodoc_typehints_description_target = "documented_params"
python_maximum_signature_line_length = 90
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of re-exported classes are described once

exclude_patterns = ["_build"]
default_role = "code"
html_theme = "furo"
html_title = f"Vultus {release}"
html_static_path = ["_static"]

# A name that the package offers at its top stands in two places; either link is right.
suppress_warnings = ["ref.python"]
