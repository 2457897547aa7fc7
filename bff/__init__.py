"""A GraphQL-first backend-for-frontend toolkit."""
