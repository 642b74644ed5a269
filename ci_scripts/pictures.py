"""Pictures of the comments on pull requests, of a report and of the service's page, as PNG where a browser is found.

Run it as `make pictures` and look at each picture before you commit it. The PNGs stand in docs/, the page with all
comments in build/comments.html. GitHub's own renderer is not here: markdown-it follows the same rules for what the
comments use, and the style sheet is only like GitHub's.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

from gitops_model.report import check_html
from gitops_model.serving import page as service_page
from tests.support.pages import facts

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "unit" / "report" / "golden"
PAGE = ROOT / "build" / "comments.html"
PICTURES = ROOT / "docs" / "comments"
SERVICE = ROOT / "docs" / "service.png"
REPORT = ROOT / "docs" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, TALLEST = 900, 2000
LARGEST = 200_000
STYLE = """
body{margin:0;padding:16px;background:#fff;color:#1f2328;width:868px;box-sizing:border-box;
font:14px/1.5 -apple-system,"Segoe UI","Noto Sans","Liberation Sans",Helvetica,Arial,"Noto Color Emoji",sans-serif}
article{border:1px solid #d1d9e0;border-radius:6px;padding:16px;width:868px;box-sizing:border-box}
h2.name{font-size:13px;color:#59636e;margin:24px 0 8px}
h3{font-size:1.25em;margin:0 0 16px;line-height:1.25}
p,ul,table,blockquote,details{margin:0 0 16px}
article>:last-child{margin-bottom:0}
ul{padding-left:2em}
table{border-collapse:collapse;display:block;width:max-content;max-width:100%;overflow:auto}
th,td{border:1px solid #d1d9e0;padding:6px 13px}
tr:nth-child(2n) td{background:#f6f8fa}
code{font:85% "DejaVu Sans Mono",ui-monospace,monospace;background:#818b981f;border-radius:6px;padding:.2em .4em;
white-space:break-spaces}
td code{white-space:nowrap}
sub{font-size:75%;line-height:0;position:relative;vertical-align:baseline;bottom:-.25em}
a{color:#0969da}
summary{cursor:pointer}
.warning{border-left:.25em solid #9a6700;padding:0 1em}
.warning .title{color:#9a6700;font-weight:600;margin-bottom:4px}
"""


def main() -> int:
    """Write the page, then the pictures. Returns 1 when a picture is too large, 0 also without a browser."""
    goldens = sorted(GOLDEN.glob("*.md"))
    articles = {path.stem: article(path.read_text(encoding="utf-8")) for path in goldens}
    PAGE.parent.mkdir(exist_ok=True)
    titled = (f'<h2 class="name">{html.escape(n)}</h2>{a}' for n, a in articles.items())
    PAGE.write_text(page("\n".join(titled)), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(articles)} comments")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser was found, so no pictures were taken; looked for: {', '.join(BROWSERS)}")
        return 0
    PICTURES.mkdir(parents=True, exist_ok=True)
    large = 0
    shots = {PICTURES / f"{name}.png": (page(shown), "article") for name, shown in articles.items()}
    shots[SERVICE] = (service_page.show(facts("canary_deciding")), "footer")
    report = (GOLDEN / "page.html").read_text(encoding="utf-8")
    # Its own policy lets no script run, also not the one that measures.
    report = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report)
    report = report.replace("<style></style>", f"<style>{check_html.style()}</style>")
    shots[REPORT] = (report, "section")
    for target, (text, last) in shots.items():
        photograph(browser, text, target, last=last)
        size = target.stat().st_size
        large += size > LARGEST
        print(
            f"{target.relative_to(ROOT)}: {size:,} bytes{' (too large)' if size > LARGEST else ''}"
        )
    return 1 if large else 0


def article(body: str) -> str:
    """A comment as HTML, with GitHub's box for a warning."""
    shown = str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(body))
    boxed = re.sub(
        r"<blockquote>\s*<p>\[!WARNING\]</p>",
        '<blockquote class="warning"><p class="title">Warning</p>',
        # GitHub takes the mark off the text when a list follows at once.
        shown.replace("[!WARNING]\n", "[!WARNING]</p>\n<p>"),
    )
    return f"<article>{boxed}</article>"


def page(body: str) -> str:
    """A whole page."""
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><style>{STYLE}</style><body>{body}</body></html>'


def photograph(browser: str, text: str, target: Path, *, last: str) -> None:
    """One screenshot that ends below the element `last`: its place is measured first."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "comment.html"
        source.write_text(
            f"{text}<script>document.title = Math.ceil("
            f"document.querySelector('{last}').getBoundingClientRect().bottom + 16)</script>",
            encoding="utf-8",
        )
        common = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
        ]  # fmt: skip
        size = f"--window-size={WIDTH},{TALLEST}"
        dom = _run([*common, size, "--dump-dom", source.as_uri()])
        found = re.search(r"<title>(\d+)</title>", dom)
        height = int(found[1]) if found else TALLEST
        size = f"--window-size={WIDTH},{min(height, TALLEST)}"
        _run([*common, size, f"--screenshot={target}", source.as_uri()])


def _run(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise SystemExit(f"the browser failed: {done.stderr[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
