"""Rules for forms: the user that the path names writes them, and what bff writes into them is nobody else's to write."""

from __future__ import annotations

from bff.model.form import OUTCOME, Form

__all__ = ["form_rules"]


def form_rules(form: type[Form]) -> str:
    """The block of one form. Where its path does not say who writes it, it is closed: open it by a rule of your own."""
    declared = form.__form__
    if declared.principal is None:
        return f"match /{declared.path.pattern} {{\n  // Its path does not say who writes it.\n  allow read, write: if false;\n}}"
    ours = "[" + ", ".join(f"'{name}'" for name in OUTCOME) + "]"
    own = f"request.auth != null && request.auth.uid == {declared.principal}"
    return (
        f"match /{declared.path.pattern} {{\n"
        f"  allow read: if {own};\n"
        f"  allow create: if {own}\n"
        f"    && !request.resource.data.keys().hasAny({ours});\n"
        f"  allow update: if {own}\n"
        f"    && !request.resource.data.diff(resource.data).addedKeys().hasAny({ours})\n"
        f"    && !request.resource.data.diff(resource.data).changedKeys().hasAny({ours});\n"
        f"}}"
    )
