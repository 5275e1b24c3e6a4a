"""Settings of the documentation's site: `make docs` builds it from the repository's own Markdown files.

The source folder is the repository, so that a link in a Markdown file is the same on the site as beside the code.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from drtrl_bench import __version__  # noqa: E402 (the package lies beside this folder)

project = "drtrl-bench"
author = "the authors of drtrl-bench"
copyright = "the authors of drtrl-bench, Apache-2.0"
version = release = __version__
language = "en"

root_doc = "docs/index"
include_patterns = ["CONTRIBUTING.md", "docs/*.md", "results/*.md", "datasets/cards/*.md"]
exclude_patterns = [".*", "bench", "build", "drtrl_bench", "tests"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "docstrings", "insertions", "mathml"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
# A method of torch.autograd.Function without a docstring of ours has PyTorch's, which is not of this project.
autodoc_inherit_docstrings = False
add_module_names = False

html_theme = "furo"
html_title = f"drtrl-bench {__version__}"
html_math_renderer = "mathml"
html_extra_path = ["site"]
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
