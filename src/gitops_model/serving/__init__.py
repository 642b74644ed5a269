"""The service: one process that watches a store and answers with what the pointer names.

| module | its one idea |
|---|---|
| `serve`, `app` | the process, the routes, serving.yaml |
| `watcher`, `desired`, `loader` | from a changed pointer to loaded models and the next routing table |
| `snapshot`, `router` | the immutable routing table, and who answers a request |
| `service`, `predictor`, `answers` | from inputs to a counted and logged answer |
| `api`, `oip`, `health`, `docs`, `openapi`, `replies` | HTTP: plain JSON, Open Inference Protocol v2, state |
| `metrics`, `collectors`, `detail`, `prediction_log`, `retention` | what is measured and written down |
| `answering` | a process that answers logged requests again, for `replay` |

Places prepared, with nothing behind them yet: a shadow is verified, loaded and listed in /status, but nothing is
sent to it (`Snapshot.shadow`); a canary is routed, but no guard compares it with stable and takes it out (the
watcher is the only owner of the routing table, so a guard belongs there); a request has a deadline, but there is
no limit on how many wait, so overload makes answers late instead of refusing some (`Service.answer`).
"""
