"""What a running process tells of itself: metrics, request ids and structured logs, traces."""
