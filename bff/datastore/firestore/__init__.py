"""Google Cloud Firestore on asyncio."""
