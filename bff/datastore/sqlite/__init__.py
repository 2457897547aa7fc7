"""The embedded datastore: one SQLite file, or memory."""
