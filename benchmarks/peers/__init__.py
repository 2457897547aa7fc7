"""What people would pick instead, in Python: each an ASGI app for ``uvicorn``, answering from memory."""
