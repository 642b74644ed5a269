"""/openapi.json, and /docs for people: one page that needs nothing from elsewhere."""

from __future__ import annotations

import json
from html import escape
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import allowed, when_missing
from gitops_model.serving import openapi
from gitops_model.serving.replies import reply
from gitops_model.serving.service import Service

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .3rem .8rem .3rem 0;
border-bottom: 1px solid #ddd; vertical-align: top } code, pre, textarea { font: 14px/1.4 ui-monospace, monospace }
pre, textarea { background: #f5f5f5; padding: .8rem; width: 100%; box-sizing: border-box; overflow-x: auto; border: 0 }
button { font: inherit; padding: .3rem 1rem }
</style>
<h1>$title</h1>
<p>$summary</p>
<h2>Inputs</h2>
<table><tr><th>name</th><th>allowed</th><th>when missing</th><th>meaning</th></tr>
$inputs
</table>
<h2>Ask</h2>
<label for="request">POST /predict</label>
<textarea id="request" rows="14" spellcheck="false">$request</textarea>
<p><button id="send">Send</button></p>
<pre id="answer" aria-live="polite"></pre>
<h2>Further addresses</h2>
<table>
$paths
</table>
<p>The same as <a href="openapi.json">OpenAPI 3.1</a>.</p>
<script>
document.getElementById("send").onclick = async () => {
  const out = document.getElementById("answer");
  try {
    const answer = await fetch("predict", {method: "POST", headers: {"Content-Type": "application/json"},
      body: document.getElementById("request").value});
    out.textContent = answer.status + "\\n" + JSON.stringify(await answer.json(), null, 2);
  } catch (error) { out.textContent = String(error); }
};
</script>
</html>
""")
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
)


async def openapi_json(request: Request) -> Response:
    """The OpenAPI document of the contract in effect."""
    return reply(_document(request.app.state.service))


async def page(request: Request) -> Response:
    """The documentation page."""
    service: Service = request.app.state.service
    document = _document(service)
    stable = service.watcher.snapshot.stable
    body = {"inputs": dict(stable.loaded.example) if stable else {}}
    html = _PAGE.substitute(
        title=escape(document["info"]["title"]),
        summary=escape(document["info"]["description"]),
        inputs="\n".join(_rows(stable.loaded.contract)) if stable else "",
        request=escape(json.dumps(body, indent=2, ensure_ascii=False)),
        paths="\n".join(
            f"<tr><td><code>{method.upper()} {escape(path)}</code></td><td>{escape(rule['summary'])}</td></tr>"
            for path, methods in document["paths"].items()
            for method, rule in methods.items()
            if method != "parameters"
        ),
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


def _document(service: Service) -> openapi.Json:
    stable = service.watcher.snapshot.stable
    return openapi.document(
        stable.loaded.contract if stable else None,
        model=stable.ref.model if stable else None,
        example=stable.loaded.example if stable else {},
        max_rows=service.settings.max_rows,
    )


def _rows(contract: Contract) -> list[str]:
    return [
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                rules.name,
                allowed(rules),
                when_missing(rules),
                rules.description or "",
            )
        )
        + "</tr>"
        for rules in contract.inputs.values()
    ]
