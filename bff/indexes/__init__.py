"""The Firestore indexes that the declarations of an app need."""
