"""What is not one request and its answer: fan-out, latency, memory of subscriptions, growth, restart."""
