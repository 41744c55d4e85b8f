"""Measurements, not tests: each module answers one question and writes its figures to benchmarks/results/."""
