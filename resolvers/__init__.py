"""Resolves the reflected schema: queries, mutations, subscriptions."""
