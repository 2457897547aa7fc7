"""For tests, yours and ours: conformance suites, an in-process harness, a protocol client."""
