"""The port to a publish/subscribe channel, and its adapters."""
