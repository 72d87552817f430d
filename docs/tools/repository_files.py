"""Hook of MkDocs: links from a page to a file of the repository work on the site, too.

A page links to such a file by its relative path, as in `../CHANGELOG.md`. The hook adds each file
that is linked to the site, under `repository/`, and changes the link. MkDocs then checks it.
"""

import pathlib
import posixpath
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[2]
_LINK = re.compile(r"(\]\()((?:\.\./)+)([^)#\s]+)")


def _outside(page, up, rest):
    """Path from the root of the repository of a link that leaves `docs/`, or an empty text."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), up, rest))
    inside = path.startswith("docs/") or not (ROOT / path).is_file()
    return "" if inside else path


def on_files(files, config):
    """Adds the files of the repository to which pages link."""
    for page in list(files.documentation_pages()):
        text = pathlib.Path(page.abs_src_path).read_text("utf-8")
        for _, up, rest in _LINK.findall(text):
            path = _outside(page.src_uri, up, rest)
            uri = f"repository/{path}"
            if path and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Points links to files of the repository to their copies on the site."""
    source = page.file.src_uri

    def replace(match):
        path = _outside(source, match[2], match[3])
        if not path:
            return match[0]
        return match[1] + posixpath.relpath(f"repository/{path}", posixpath.dirname(source) or ".")

    return _LINK.sub(replace, markdown)
