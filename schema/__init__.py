"""Reflects declarations into a GraphQL schema."""
