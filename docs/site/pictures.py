"""Draws the pictures of the guides from the same text that they are drawn from on the project's page (Mermaid), with
Chromium. Mermaid comes from the registry of npm, in the version below, into build/."""

import html
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

MERMAID = "mermaid@11.4.1"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = """<!DOCTYPE html><meta charset="utf-8"><body>{texts}
<script>{library}</script>
<script>
(async () => {{
  mermaid.initialize({{startOnLoad: false, theme: 'neutral', htmlLabels: false, flowchart: {{htmlLabels: false}}}});
  let number = 0;
  for (const text of document.querySelectorAll('pre')) {{
    try {{
      text.textContent = (await mermaid.render('picture' + ++number, text.textContent)).svg;
    }} catch (error) {{
      text.textContent = 'cannot be drawn: ' + error;
    }}
  }}
}})();
</script></body>"""


def library():
    """Mermaid as one script; fetched once."""
    folder = ROOT / "build" / "docs-pictures"
    script = folder / f"{MERMAID}.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            subprocess.run(["npm", "pack", MERMAID, "--silent"], cwd=work, check=True, stdout=subprocess.DEVNULL)
            with tarfile.open(next(pathlib.Path(work).glob("*.tgz"))) as package:
                script.write_bytes(package.extractfile("package/dist/mermaid.min.js").read())
    return script.read_text()


def draw(texts):
    """An SVG for each of `texts`."""
    with tempfile.TemporaryDirectory() as work:
        page = pathlib.Path(work) / "pictures.html"
        page.write_text(PAGE.format(
            texts="".join(f"<pre>{html.escape(text)}</pre>" for text in texts),
            library=library().replace("</script", "<\\/script")))
        result = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={work}/profile", "--virtual-time-budget=30000",
             "--timeout=60000", "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120)
    drawn = [html.unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", result.stdout, re.DOTALL)][:len(texts)]
    wrong = next((text for text in drawn if not text.startswith("<svg")), None)
    if wrong or len(drawn) != len(texts):
        sys.exit(f"docs: Chromium does not draw the pictures: {(wrong or result.stderr)[-500:]}")
    return drawn
