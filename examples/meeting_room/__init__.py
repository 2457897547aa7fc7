"""A meeting room: who is here, live for everybody who looks. Run it with ``make demo``."""
