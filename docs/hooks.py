"""MkDocs hooks: adjust the pages, which are written to be read in the repository, to the site."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top of the repository to the site."""
    for name in ROOT_PAGES:
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Link to the pages added above, and show the file name of a fenced block as its title."""
    names = "|".join(re.escape(name) for name in ROOT_PAGES)
    # Every page that links to them is one folder below docs/: there, ../../ is the repository.
    markdown = re.sub(rf"\]\(\.\./\.\./({names})", r"](../\1", markdown)
    return re.sub(r"^```(\w+) ([\w.-]+)$", r'```\1 title="\2"', markdown, flags=re.M)
