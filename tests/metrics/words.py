"""What generated PromQL expressions are made of."""

from __future__ import annotations

RANGES = ("20s", "45s", "1m", "2m30s", "5m", "10m")
OFFSETS = ("15s", "1m", "90s", "-2m", "10m")
QUANTILES = ("-0.5", "0", "0.0317", "0.4711", "0.9513", "1", "1.5", "NaN")
INNER = ("0.0317", "0.2893", "0.4711", "0.7539", "0.9513")
"""Quantiles whose rank meets no bucket's edge, where the last bit of a sum would decide."""

ROUGH = ("0.0317", "0.4711", "1.7321", "17.3571", "333.3137", "-3.7913", "1.0e5", "Inf", "-Inf", "NaN")
ROUND = ("0", "1", "-1", "2", "5", "100", "0.5", "1e6", "Inf", "NaN")
ARITHMETIC = ("+", "-", "*", "/", "%", "^")
COMPARISON = ("==", "!=", "<", "<=", ">", ">=")
AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
COUNTED = ("min", "max", "count", "group")
OVER_TIME = ("avg", "sum", "min", "max", "count", "last", "present", "stddev", "stdvar")
EXACT_OVER_TIME = ("min", "max", "count", "last", "present")
SMOOTH = ("abs", "sqrt", "exp", "ln", "log2", "log10")
STEPPED = ("ceil", "floor", "sgn", "round", "abs")
WRONG = (
    "rate({v})", "{v}[5m]", "sum({n})", "{v} and {n}", '"text" + {v}', "1 > 2", "topk({v}, {v})", "rate(({v} > 1)[5m])",
    "histogram_quantile({v}, {v})", "{v} + on({l}) group_left group_right {v}", "nosuch({v})", "{v} offset {v}", "scalar({n})",
    "{v} bool > {v}", "{v} + bool {v}", "sum by {l} ({v})", "{v} and on({l}) group_left {v}", "{{}}", "{v}{{", "abs()",
    "clamp({v}, 1)", 'label_replace({v}, "x", "a", "{l}", "(")',
    '{{__name__=~"size_bytes|limit_bytes"}} + 1', "size_bytes + on() limit_bytes", "size_bytes + ignoring(disk) limit_bytes",
    'label_replace(limit_bytes, "disk", "", "disk", ".*")', "temp * on(instance) info", "info + on(instance) temp",
    "-{{__name__=~\"size_bytes|limit_bytes\"}}", "size_bytes * on(instance) group_left(disk) limit_bytes",
    "predict_linear({v}[5m])", "{v} / {v}[1m]", "time() and {v}", "vector({v})", "absent({n})",
)  # fmt: skip
"""What Prometheus refuses, at reading or (most of the last lines) while it evaluates."""

BAD_NAMES = (
    'label_replace({v}, "0x", "a", "{l}", "b")',
    'label_join({v}, "a b", "-", "{l}")',
    'count_values("0v", {v})',
)
"""Prometheus 3 takes label names of any letters; the embedded store does not, as Prometheus 2."""
