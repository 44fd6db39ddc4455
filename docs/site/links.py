"""Finds links within a site that lead nowhere: to a file that is not there, or to an anchor that its page has not."""

import html.parser
import os
import re
import urllib.parse


class Anchors(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids = set()
        self.references = []

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.ids.update(known[name] for name in ("id", "name") if known.get(name))
        self.references += [known[name] for name in ("href", "src") if known.get(name)]


def read(file):
    page = Anchors()
    page.feed(file.read_text(errors="replace"))
    return page


def dead(folder):
    """One line for each link of the HTML files below `folder` that leads nowhere. Other sites are not asked."""
    pages = {file: read(file) for file in folder.rglob("*.html")}
    found = []
    for file, page in sorted(pages.items()):
        for reference in page.references:
            if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//", reference):
                continue
            path, _, anchor = reference.partition("#")
            target = file if not path else file.parent / urllib.parse.unquote(path.partition("?")[0])
            target = type(file)(os.path.normpath(target))
            if not target.exists():
                found.append(f"{file.relative_to(folder)}: there is no {reference}")
            elif anchor and target in pages and urllib.parse.unquote(anchor) not in pages[target].ids:
                found.append(f"{file.relative_to(folder)}: {reference} has no such anchor")
    return found
