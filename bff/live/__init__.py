"""From a stored view that changed to the subscriptions that look at it."""
