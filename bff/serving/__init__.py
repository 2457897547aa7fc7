"""ASGI: GraphQL over HTTP and WebSocket, and health."""
