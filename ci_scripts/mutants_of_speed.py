"""Small breaks of the fast paths: each forgets what the plain one does, and must turn a test red."""

from __future__ import annotations

from ci_scripts.mutants import inside

ARRAYS = "tests/unit/formats/test_row_arrays.py"
REPLIES = "tests/unit/serving/test_replies.py"
PROTOCOL = "tests/unit/serving/test_protocol.py"
HOT = "tests/integration/serving/test_hot_path.py"

SPEED = (
    inside(
        "formats/row_arrays.py",
        "speed: a row's range is not checked",
        "if not low <= value <= high or (kind",
        "if low != low or (kind",
        ARRAYS,
    ),
    inside(
        "formats/row_arrays.py",
        "speed: unknown names of a row are let through",
        "and not known.issuperset(row)",
        "and not known",
        ARRAYS,
    ),
    inside(
        "formats/row_arrays.py",
        "speed: what orjson may have rounded is believed",
        "_LONGEST = 9.2e18",
        "_LONGEST = 1e300",
        ARRAYS,
    ),
    inside(
        "formats/row_arrays.py",
        "speed: a batch's range is not checked",
        "if not ((there >= low) & (there <= high)).all():",
        "if not (there >= low).all():",
        ARRAYS,
    ),
    inside(
        "formats/row_arrays.py",
        "speed: unknown names of a batch are let through",
        "if not exact and not all(map(known.issuperset, rows)):",
        "if exact and not all(map(known.issuperset, rows)):",
        ARRAYS,
    ),
    inside(
        "serving/hot_path.py",
        "speed: golden requests count as traffic",
        "            or request_id.startswith(GOLDEN_ID)\n",
        "",
        HOT,
    ),
    inside(
        "serving/hot_path.py",
        "speed: any text is a request id",
        "            or not REQUEST_ID.fullmatch(request_id)\n",
        "",
        HOT,
    ),
    inside(
        "serving/hot_path.py",
        "speed: other keys of a request are let through",
        'if len(data) != 1 + ("request_id" in data) + ("key" in data):',
        "if len(data) > 3:",
        HOT,
    ),
    inside(
        "serving/hot_path.py",
        "speed: the canary's judge hears nothing",
        "        if judge is not None:\n",
        "        if judge is not None and row.fell_back:\n",
        HOT,
    ),
    inside(
        "serving/hot_path.py",
        "speed: imputed inputs are not counted",
        "            self._metrics.imputed.add(ready.model, row.imputed)\n",
        "            pass\n",
        HOT,
    ),
    inside(
        "serving/hot_path.py",
        "speed: a busy service answers",
        "if service.limits.busy > service.limits.most:",
        "if service.limits.busy < 0:",
        HOT,
    ),
    inside(
        "serving/hot_path.py",
        "speed: the deadline is forgotten",
        "if imputed is None or time.perf_counter() - arrived > self._seconds:",
        "if imputed is None:",
        HOT,
    ),
    inside(
        "serving/tallies.py",
        "speed: sums are handed over and kept",
        "                bucket.inc(count)\n        self._empty()\n",
        "                bucket.inc(count)\n",
        HOT,
    ),
    inside(
        "serving/replies.py",
        "speed: orjson reads numbers beyond 64 bits",
        'rb"[0-9]{19}"',
        'rb"[0-9]{40}"',
        REPLIES,
    ),
    inside(
        "serving/protocol.py",
        "speed: a head with two lengths is refused unparsed",
        'head.lower().count(b"content-length") != 1',
        'head.lower().count(b"content-length") < 1',
        PROTOCOL,
    ),
    inside(
        "serving/protocol.py",
        "speed: a chunked body is refused unparsed",
        "(?:transfer-encoding|expect|",
        "(?:expect|",
        PROTOCOL,
    ),
)
