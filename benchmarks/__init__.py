"""Benchmarks: ratios between proxies in one run on one machine. See docs/benchmarks.md; nothing here is a test."""
