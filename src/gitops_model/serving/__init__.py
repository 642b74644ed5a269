"""The service: processes that watch a store and answer with what the pointer names.

| module | its one idea |
|---|---|
| `serve`, `server`, `app` | the process, the routes, serving.yaml |
| `supervisor`, `worker`, `member` | several processes on one port; one of them; what they tell each other |
| `shared`, `merging`, `pooled` | what workers share, and how it becomes one view; one verdict on the canary for all |
| `watcher`, `desired`, `loader` | from a changed pointer to loaded models and the next routing table |
| `snapshot`, `router` | the immutable routing table, and who answers a request |
| `service`, `predictor` | from inputs to a counted and logged answer |
| `hot_path`, `tallies` | the same for one good row, fast; how it is counted |
| `guard`, `evidence`, `guarding` | the verdict on a canary, and the test it rests on; how it is fed and obeyed |
| `api`, `oip`, `docs`, `openapi`, `replies` | HTTP: plain JSON, Open Inference Protocol v2 |
| `health`, `page`, `history`, `picture` | the state, for programs and for people |
| `shadow`, `shadow_account`, `shadow_child`, `shadow_worker` | copies of answered requests, and who gets them |
| `metrics`, `shadow_metrics`, `collectors`, `detail` | what is measured |
| `prediction_log`, `retention` | what is written down, and for how long |
| `answering` | a process that answers logged requests again, for `replay` |
| `limits`, `protocol`, `door` | what is taken on at once and of one request; connections, and who is let in |
| `ray_cluster`, `applications`, `replica` | models that run on a cluster instead, where serving.yaml says so |
| `trial`, `trial_worker`, `passing` | a bundle is tried apart before it is loaded; which failures are tried again |
"""
