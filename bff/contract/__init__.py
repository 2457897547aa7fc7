"""The schema as a contract: what changes between two versions of it, and whom that breaks."""
