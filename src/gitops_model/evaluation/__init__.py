"""Whether a candidate may replace the model in production: metrics, honest intervals, gates and the verdict.

Everything here is pure except `measure`, which times and weighs. Entry points: `gates.parse`, `lint.lint`,
`verdict.evaluate` and, for whoever must not trust a report, `decision.verdict_from_numbers`.
"""
