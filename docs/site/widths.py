"""Loads every page of the site in Chromium, as wide as a phone and as a desk, and finds those that are wider than that."""

import html
import json
import re
import subprocess
import tempfile
import pathlib

WIDTHS = (360, 1280)
PAGE = """<!DOCTYPE html><meta charset="utf-8"><body><pre></pre><script>
(async () => {{
  const wide = [];
  for (const width of {widths}) {{
    for (const page of {pages}) {{
      const frame = document.createElement('iframe');
      frame.style.cssText = `width: ${{width}}px; height: 800px; border: 0`;
      frame.src = page;
      await new Promise(done => {{ frame.onload = done; document.body.append(frame); }});
      const found = frame.contentDocument.scrollingElement.scrollWidth;
      if (found > width) wide.push([page, width, found]);
      frame.remove();
    }}
  }}
  document.querySelector('pre').textContent = 'measured ' + JSON.stringify(wide);
}})();
</script></body>"""


def too_wide(folder):
    """One line for each page below `folder` that scrolls sideways as a whole."""
    pages = [file.as_uri() for file in sorted(folder.rglob("*.html")) if not re.search("/search/|/source/|-members", file.as_uri())]
    with tempfile.TemporaryDirectory() as work:
        page = pathlib.Path(work) / "widths.html"
        page.write_text(PAGE.format(widths=json.dumps(WIDTHS), pages=json.dumps(pages)))
        result = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={work}/profile", "--disable-web-security",
             "--allow-file-access-from-files", "--window-size=1400,900", "--timeout=120000", "--virtual-time-budget=600000",
             "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=300)
    measured = re.search(r"<pre>measured (.*?)</pre>", result.stdout)
    if not measured:
        return [f"Chromium does not measure the pages: {result.stderr[-500:]}"]
    return [f"{page.rsplit('/', 1)[1]} is {found} pixels wide on a screen of {width}"
            for page, width, found in json.loads(html.unescape(measured.group(1)))]
