"""Declarations: what a screen needs, which documents it is made of, and what people may do."""
