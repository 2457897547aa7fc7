"""The port to a document database with transactions and listeners, and its adapters."""
