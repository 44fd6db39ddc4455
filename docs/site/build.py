#!/usr/bin/python3
"""Makes one site of the guides (README.md, docs/*.md and their like) and the reference (Doxygen over the public headers).

usage: docs/site/build.py FOLDER [--without-pictures]

FOLDER/index.html lists the versions, FOLDER/VERSION is the site of this one. The exit status is not 0 where Doxygen warns,
where a link or an anchor leads nowhere, where a picture cannot be drawn, or where a page is wider than a phone's or a desk's
screen. Links to other sites are not followed. Needs doxygen, python3-markdown-it and python3-pygments; for pictures and
widths also chromium, and npm (pictures.py).
"""

import argparse
import html
import os
import pathlib
import re
import shutil
import string
import subprocess
import sys
import xml.etree.ElementTree

import markdown_it
import pygments
import pygments.formatters
import pygments.lexers

import links
import pictures
import widths

SITE = pathlib.Path(__file__).resolve().parent
ROOT = SITE.parent.parent
MENU = {
    "Begin": ["README", "docs/from-azure-identity", "docs/from-cpprestsdk", "docs/command", "docs/faq"],
    "Use": ["docs/resources", "docs/keys", "docs/windows", "docs/gateway", "docs/emulator", "docs/continuous-integration", "docs/packages",
            "docs/performance"],
    "On call": ["docs/troubleshooting", "docs/observability", "docs/environment", "docs/glossary", "SECURITY", "docs/threat-model"],
    "Inside": ["docs/architecture", "docs/architecture-decisions", "docs/guidance-for-higher-level-sdks", "CONTRIBUTING",
               "CHANGELOG", "docs/test-coverage-of-the-contract", "docs/test-coverage-of-msal"],
}


def version():
    """The one place where it is written is the project's CMakeLists.txt; mtlspop/version.hpp has it from there."""
    return re.search(r"^  VERSION ([0-9.]+)$", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)


def slug(text, taken):
    """The anchor that GitHub gives a heading."""
    base = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    name, count = base, 0
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    taken.add(name)
    return name


class Page:
    """A Markdown file of the repository."""

    def __init__(self, source):
        self.source = source  # relative to the repository
        self.name = "index" if source.stem == "README" else source.stem.lower()
        self.text = (ROOT / source).read_text()
        self.tokens = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(self.text)
        heading = next(self.tokens[at + 1] for at, token in enumerate(self.tokens) if token.type == "heading_open")
        self.title = "".join(child.content for child in heading.children)


class Site:
    def __init__(self, folder, with_pictures):
        self.folder = folder
        self.with_pictures = with_pictures
        sources = [pathlib.Path(name) for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
        sources += sorted(path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md"))
        self.pages = {source: Page(source) for source in sources}
        self.template = string.Template((SITE / "page.html").read_text())
        self.reference = {}  # "Error::Code" to "reference/..."
        self.sources_shown = set()

    # --- the reference

    def build_reference(self, work):
        (work / "include/mtlspop").mkdir(parents=True)
        header = (ROOT / "cmake/version.hpp.in").read_text().replace("@PROJECT_VERSION@", version())
        for part, number in zip(("MAJOR", "MINOR", "PATCH"), version().split(".")):
            header = header.replace(f"@PROJECT_VERSION_{part}@", number)
        (work / "include/mtlspop/version.hpp").write_text(header)
        subprocess.run(["doxygen", "-w", "html", "header.html", "footer.html", "style.css"], cwd=work, check=True)
        bar = '<body>\n<div id="site"><a href="$relpath^../index.html">mtlspop $projectnumber</a> <a href="$relpath^index.html">Reference</a></div>'
        (work / "header.html").write_text((work / "header.html").read_text().replace("<body>", bar, 1))
        environment = {**os.environ, "MTLSPOP_VERSION": version(), "MTLSPOP_WORK": str(work),
                       "MTLSPOP_REFERENCE": str(self.folder / "reference")}
        if subprocess.run(["doxygen", str(SITE / "Doxyfile")], cwd=ROOT, env=environment).returncode != 0:
            sys.exit("docs: Doxygen warns; see above")
        self.read_tags(work / "reference.tag")

    def read_tags(self, file):
        for compound in xml.etree.ElementTree.parse(file).getroot().iter("compound"):
            kind, name = compound.get("kind"), compound.findtext("name")
            if kind not in ("class", "struct", "namespace"):
                continue
            if kind != "namespace":
                self.add_name(name, compound.findtext("filename"))
            for member in compound.iter("member"):
                self.add_name(f"{name}::{member.findtext('name')}", f"{member.findtext('anchorfile')}#{member.findtext('anchor')}")

    def add_name(self, name, target):
        for known in {name, name.removeprefix("mtlspop::")}:
            # A name that could be anything else in a guide (`Send`, `Log`) is not there: members are written with their class.
            self.reference.setdefault(known, f"reference/{target}")

    # --- the guides

    def build_guides(self):
        shutil.copy(SITE / "site.css", self.folder)
        style = pygments.formatters.HtmlFormatter(style="friendly").get_style_defs("pre")
        dark = pygments.formatters.HtmlFormatter(style="github-dark").get_style_defs("pre") if "github-dark" in all_styles() else ""
        with open(self.folder / "site.css", "a") as css:
            css.write("\n" + without_background(style))
            css.write("\n@media (prefers-color-scheme: dark) {\n" + without_background(dark) + "\n}\n")
        for page in self.pages.values():
            drawn = self.draw(page)
            body = self.render(page, drawn)
            self.write(f"{page.name}.html", page.title, body, page.name)

    def draw(self, page):
        texts = [token.content for token in page.tokens if token.type == "fence" and token.info == "mermaid"]
        if not texts or not self.with_pictures:
            return {}
        (self.folder / "pictures").mkdir(exist_ok=True)
        drawn = {}
        for number, (text, picture) in enumerate(zip(texts, pictures.draw(texts)), 1):
            name = f"pictures/{page.name}-{number}.svg"
            (self.folder / name).write_text(picture)
            drawn[text] = name
        return drawn

    def render(self, page, drawn):
        taken = set()
        renderer = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
        rules = {"fence": lambda tokens, at: self.fence(tokens[at], drawn), "code_inline": lambda tokens, at: self.code(tokens[at]),
                 "table_open": lambda tokens, at: '<div class="scroll"><table>\n', "table_close": lambda tokens, at: "</table></div>\n"}
        for name, rule in rules.items():
            renderer.add_render_rule(name, lambda _, tokens, at, options, env, rule=rule: rule(tokens, at))
        for at, token in enumerate(page.tokens):
            if token.type == "heading_open":
                plain = "".join(child.content for child in page.tokens[at + 1].children)
                token.attrSet("id", slug(plain, taken))
            for child in token.children or ():
                if child.type == "link_open":
                    child.attrSet("href", self.target(page, child.attrGet("href")))
                elif child.type == "image":
                    child.attrSet("src", self.picture_file(page, child.attrGet("src")))
        output = renderer.renderer.render(page.tokens, renderer.options, {})
        anchor = r'<\1 id="\2">\3 <a class="anchor" href="#\2" aria-label="Link to this section">#</a></\1>'
        return re.sub(r'<(h[2-6]) id="([^"]*)">(.*?)</h[2-6]>', anchor, output)

    def fence(self, token, drawn):
        if token.content in drawn:
            name = drawn[token.content]
            width = int(re.search(r'viewBox="[-0-9.]+ [-0-9.]+ ([0-9]+)', (self.folder / name).read_text()).group(1))
            # Words that are shown at less than six tenths of their size are not read; the picture scrolls then.
            return (f'<figure><a href="{name}"><img src="{name}" style="min-width: {width * 6 // 10}px; max-width: {width}px" '
                    f'alt="{picture_text(token.content)}"></a></figure>\n')
        return highlighted(token.content, token.info.split(" ")[0])

    def code(self, token):
        text = html.escape(token.content)
        name = token.content.removesuffix("()")
        is_a_name = "::" in name or (name[:1].isupper() and any(letter.islower() for letter in name))
        if is_a_name and name in self.reference:
            return f'<a href="{self.reference[name]}"><code>{text}</code></a>'
        return f"<code>{text}</code>"

    def target(self, page, href):
        """Where a link of a guide leads on the site: another guide, or the text of a file of the repository."""
        if re.match(r"[a-z]+:", href) or href.startswith("#"):
            return href
        path, _, anchor = href.partition("#")
        file = pathlib.Path(os.path.normpath(page.source.parent / path))
        if file in self.pages:
            return f"{self.pages[file].name}.html" + (f"#{anchor}" if anchor else "")
        return self.show_source(file) or href

    def show_source(self, file):
        """A page with the file's text, or with a folder's names; None where there is no such file."""
        full = ROOT / file
        if not full.exists() or ".." in file.parts:
            return None
        name = f"source/{file}.html" if full.is_file() else f"source/{file}/index.html"
        if name not in self.sources_shown:
            self.sources_shown.add(name)
            if full.is_dir():
                entries = sorted(path.relative_to(ROOT) for path in full.iterdir() if path.is_file())
                up = "../" * name.count("/")
                body = "<ul>" + "".join(f'<li><a href="{up}{self.show_source(entry)}">{entry.name}</a></li>' for entry in entries) + "</ul>"
            else:
                body = highlighted(full.read_text(), None, full.name)
            self.write(name, str(file), f"<h1><code>{file}</code></h1>\n{body}", None)
        return name

    def picture_file(self, page, source):
        file = pathlib.Path(os.path.normpath(page.source.parent / source))
        if (ROOT / file).is_file():
            (self.folder / "pictures").mkdir(exist_ok=True)
            shutil.copy(ROOT / file, self.folder / "pictures" / file.name)
        return f"pictures/{file.name}"

    def menu(self, current, up):
        named = [pathlib.Path(f"{name}.md") for names in MENU.values() for name in names]
        groups = {**{title: [pathlib.Path(f"{name}.md") for name in names] for title, names in MENU.items()},
                  "More": [source for source in self.pages if source not in named]}
        parts = []
        for title, sources in groups.items():
            entries = [self.pages[source] for source in sources if source in self.pages]
            if not entries:
                continue
            items = "".join(
                f'<li><a href="{up}{page.name}.html"{" aria-current=page" if page.name == current else ""}>{html.escape(page.title)}</a></li>'
                for page in entries)
            parts.append(f"<details><summary>{title}</summary><ul>{items}</ul></details>")
        return "\n".join(parts)

    def write(self, name, title, body, current):
        up = "../" * name.count("/")
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.template.substitute(
            title=html.escape(title), version=version(), up=up, menu=self.menu(current, up), body=body))


def all_styles():
    import pygments.styles
    return set(pygments.styles.get_all_styles())


def without_background(css):
    """The colours of the words only: the page has a background of its own."""
    return "\n".join(re.sub(r"background-color: [^;}]*;?", "", line) for line in css.splitlines()
                     if not re.match(r"pre \{|td\.linenos|span\.linenos|pre \.hll", line))


def highlighted(text, language, file_name=None):
    try:
        lexer = (pygments.lexers.get_lexer_by_name(language, stripnl=False) if language
                 else pygments.lexers.get_lexer_for_filename(file_name, stripnl=False))
    except (pygments.util.ClassNotFound, TypeError):
        lexer = pygments.lexers.get_lexer_by_name("text", stripnl=False)
    return f"<pre><code>{pygments.highlight(text, lexer, pygments.formatters.HtmlFormatter(nowrap=True))}</code></pre>\n"


def picture_text(text):
    """What somebody who does not see a picture hears: its words."""
    return html.escape(re.sub(r"<br/?>", " ", " ".join(text.split())))


def list_versions(folder):
    versions = sorted((path.name for path in folder.iterdir() if re.fullmatch(r"[0-9.]+", path.name)),
                      key=lambda name: [int(part) for part in name.split(".")], reverse=True)
    items = "".join(f'<li><a href="{name}/index.html">mtlspop {name}</a></li>' for name in versions)
    (folder / "index.html").write_text(
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>mtlspop, by version</title><h1>mtlspop</h1><ul>{items}</ul></html>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--without-pictures", action="store_true",
                        help="show the texts that they are drawn from, and measure no page: needs no browser and no network")
    options = parser.parse_args()
    folder = options.folder.resolve() / version()
    work = options.folder.resolve() / "work"
    for path in (folder, work):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    site = Site(folder, not options.without_pictures)
    site.build_reference(work)
    site.build_guides()
    shutil.rmtree(work)
    list_versions(options.folder.resolve())
    wrong = links.dead(options.folder.resolve())
    if not options.without_pictures:
        wrong += widths.too_wide(folder)
    if wrong:
        sys.exit("\n".join(f"docs: {line}" for line in wrong))
    print(options.folder / version() / "index.html")


if __name__ == "__main__":
    main()
