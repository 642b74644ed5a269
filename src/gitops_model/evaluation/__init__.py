"""Whether a candidate may replace the model in production: metrics, honest intervals, gates and the verdict.

Everything here is pure: rows and numbers in, values out. `verdict.evaluate` makes a check, `decision` decides gates
from their numbers alone, `recheck` finds what cannot be true in a check that need not be trusted, and `lint` refuses
gates that could never pass or never fail. The words that people read are made in `report`.
"""
