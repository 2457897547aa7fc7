"""Keeps every view precomputed: dependencies, builds, the projector."""
