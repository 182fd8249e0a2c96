"""Black-box measurement of the gateway: `python -m tests.bench`, see docs/performance.md."""
