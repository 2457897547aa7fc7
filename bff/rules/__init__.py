"""Firestore security rules from what is declared."""
