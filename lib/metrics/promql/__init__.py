"""PromQL on the embedded store: parsed by promql-parser, evaluated here on numpy."""
