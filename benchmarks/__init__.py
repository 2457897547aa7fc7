"""Benchmarks: bff and what people would pick instead, side by side in one run. ``make bench``; see README.md."""
