"""Firestore security rules that let clients read a view directly exactly where GraphQL would show it to them.

The language: https://firebase.google.com/docs/rules/rules-language. A query is allowed if every result that it could have is,
which Firestore tells from the query alone: it has to ask for ``_readers`` with ``array-contains`` (or ``-any``) itself.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bff.errors import SettingsError
from bff.model.catalog import Catalog
from bff.model.readers import PUBLIC, READERS, SIGNED_IN
from bff.model.view_model import ViewModel
from bff.principal import MAX_GROUPS
from bff.rules.form_rules import form_rules

__all__ = ["Claims", "security_rules", "with_rules"]

BEGIN = "// bff: begin. Written by `bff rules`; what is between these two lines is replaced."
END = "// bff: end."

_BEFORE = """\
rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
"""

_AFTER = """
  }
}
"""

_CLAIM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True, slots=True)
class Claims:
    """Where in a token its tenant and its groups stand, a dot for each level; None where tokens have none.

    The user is ``request.auth.uid``, which Firebase takes from ``sub``. Raises SettingsError where one is no such path.
    """

    tenant: str | None = "firebase.tenant"
    groups: str | None = "groups"

    def __post_init__(self) -> None:
        for claim in (self.tenant, self.groups):
            if claim is not None and not _CLAIM.fullmatch(claim):
                raise SettingsError(f"{claim!r} is no path of claims: give names with dots in between, e.g. firebase.tenant")


def security_rules(catalog: Catalog, claims: Claims = Claims()) -> str:
    """A whole file with the rules of all views and forms, and of nothing else: what no rule allows is closed."""
    return f"{_BEFORE}{_own(catalog, claims)}{_AFTER}"


def with_rules(existing: str, catalog: Catalog, claims: Claims = Claims()) -> str:
    """A file with what it has already, and these rules between the lines that mark them.

    Raises SettingsError where it has no such lines.
    """
    before, begin, rest = existing.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise SettingsError(f"put these two lines, once, where the rules of the views are to stand:\n{BEGIN}\n{END}")
    return before.rstrip(" ") + _own(catalog, claims) + after


def _own(catalog: Catalog, claims: Claims) -> str:
    """What stands between the marks, them included."""
    blocks = [_functions(claims), *(_view(one) for one in catalog.views.values()), *map(form_rules, catalog.forms)]
    return "\n\n".join(_indented(block, 4) for block in (BEGIN, *blocks, END))


def _view(view: type[ViewModel]) -> str:
    definition = view.__view__
    if definition.restricted:
        # A rule is about whole documents.
        names = ", ".join(definition.restricted)
        allowed, why = "false", f"Not all readers may see all of it ({names}): it is read through GraphQL."
    elif definition.has_readers:
        allowed, why = f"resource.data.{READERS}.hasAny(bffReader())", ""
    else:
        allowed, why = "true", "It declares no readers: everybody may see it."
    comment = f"  // {why}\n" if why else ""
    # What is not there is refused as what is another's: nobody learns which of the two it is.
    return f"match /{definition.collection}/{{id}} {{\n{comment}  allow read: if {allowed};\n}}"


def _functions(claims: Claims) -> str:
    """``bffReader()``: what ``bff.model.readers.tokens_of`` says of the Principal that the token becomes."""
    tenant = "null" if claims.tenant is None else f"request.auth.token.get({_path(claims.tenant)}, null)"
    groups = "[]" if claims.groups is None else f"request.auth.token.get({_path(claims.groups)}, [])"
    each = "".join(f"\n    .concat(bffGroup(groups, {index}, tenant))" for index in range(MAX_GROUPS))
    return f"""\
// Who is asking, as the views' {READERS} name who may read.
function bffReader() {{
  return request.auth == null ? ['{PUBLIC}'] : bffUser({tenant}, {groups});
}}
function bffUser(tenant, groups) {{
  return ['{PUBLIC}', '{SIGNED_IN}', 'user:' + request.auth.uid]
    .concat(tenant == null ? [] : ['tenant:' + tenant]){each if claims.groups is not None else ""};
}}
function bffGroup(groups, index, tenant) {{
  return groups.size() > index ? ['group:' + bffEscaped(tenant) + '/' + groups[index]] : [];
}}
function bffEscaped(tenant) {{
  return tenant == null ? '' : tenant.replace('%', '%25').replace('/', '%2F');
}}"""


def _path(claim: str) -> str:
    parts = claim.split(".")
    return json.dumps(parts) if len(parts) > 1 else json.dumps(parts[0])


def _indented(block: str, by: int) -> str:
    return "\n".join(f"{' ' * by}{line}" if line else line for line in block.split("\n"))
