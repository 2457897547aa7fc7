"""Keys that tokens are checked with, each for the algorithms that are its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bff.errors import SettingsError

if TYPE_CHECKING:
    from jwt.algorithms import AllowedPublicKeys

__all__ = ["ASYMMETRIC", "SYMMETRIC", "Key", "Material", "fetched_keys", "given_keys"]

logger = logging.getLogger("bff.auth")

Material: TypeAlias = str | bytes | Mapping[str, Any] | Sequence[str | bytes | Mapping[str, Any]]
"""A PEM (public key or certificate), a secret, a JWK, a JWKS (``{"keys": […]}``), or a list of these."""

SYMMETRIC: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""With how many bytes their secrets have at least (RFC 7518, section 3.2)."""

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
ASYMMETRIC: Final = _RSA | {*_CURVES.values(), "EdDSA"}

_RSA_BITS: Final = 2048
_MAX_KEYS: Final = 100


@dataclass(frozen=True, slots=True)
class Key:
    """``algorithms`` are those that it may be used with, by its kind and by what its JWK says; what a token says is no matter."""

    kid: str | None
    algorithms: frozenset[str]
    value: AllowedPublicKeys | bytes


class _Unusable(ValueError):
    """A key that nothing can be checked with; the text says why, without the key."""


def given_keys(material: Material, algorithms: Sequence[str]) -> tuple[Key, ...]:
    """The keys of a setting. Raises SettingsError where one cannot be used with any of the algorithms."""
    symmetric = algorithms[0] in SYMMETRIC
    keys: list[Key] = []
    for one in _each(material):
        try:
            key = _secret(one, algorithms) if symmetric else _public(one)
        except _Unusable as error:
            raise SettingsError(f"keys: {error}") from None
        if not key.algorithms & {*algorithms}:
            theirs = ", ".join(sorted(key.algorithms))
            raise SettingsError(f"keys: a key is for {theirs}, and algorithms is {', '.join(algorithms)}")
        keys.append(key)
    if not keys:
        raise SettingsError("keys: give at least one")
    return tuple(keys)


def fetched_keys(document: Mapping[str, Any]) -> tuple[Key, ...]:
    """The public keys of a JWKS, or of a mapping from kids to certificates; what is of another kind is left out.

    Raises ValueError where it is neither.
    """
    found = document.get("keys") if "keys" in document else [{"kid": kid, "pem": pem} for kid, pem in document.items()]
    if not isinstance(found, list) or len(found) > _MAX_KEYS:
        raise ValueError(f"it is no JWKS of up to {_MAX_KEYS} keys")
    keys: list[Key] = []
    for one in found:
        try:
            key = _public(one["pem"]) if isinstance(one, dict) and "pem" in one else _public(one)
            keys.append(Key(one["kid"], key.algorithms, key.value) if isinstance(one, dict) and "pem" in one else key)
        except _Unusable as error:
            logger.debug("a key of the issuer is left out: %s", error)
    if not keys:
        raise ValueError("there is no public key in it that a token could be checked with")
    return tuple(keys)


def _each(material: Material) -> list[Any]:
    if isinstance(material, Mapping):
        inner = material.get("keys")
        return list(inner) if isinstance(inner, list | tuple) else [material]
    return list(material) if isinstance(material, Sequence) and not isinstance(material, str | bytes) else [material]


def _secret(given: Any, algorithms: Sequence[str]) -> Key:
    if isinstance(given, Mapping):
        from jwt.utils import base64url_decode

        if given.get("kty") != "oct" or not isinstance(given.get("k"), str):
            raise _Unusable("HS algorithms need a secret; this JWK is none (kty: oct)")
        value, kid = base64url_decode(given["k"]), _kid(given)
    else:
        value, kid = given.encode() if isinstance(given, str) else bytes(given), None
    # CWE-347: what is public is no secret, whoever configures it as one.
    if b"-----BEGIN" in value or value.lstrip().startswith((b"ssh-", b"ecdsa-")):
        raise _Unusable("a PEM is no secret for HS algorithms; name the algorithm of the key, e.g. algorithms=('RS256',)")
    usable = frozenset(name for name in algorithms if len(value) >= SYMMETRIC.get(name, 1 << 30))
    if len(usable) < len(algorithms):
        raise _Unusable(f"a secret of {len(value)} bytes is too short for {', '.join(algorithms)}: take as many as the hash has")
    return Key(kid, usable, value)


def _public(given: Any) -> Key:
    if isinstance(given, Mapping):
        return _of_jwk(given)
    if not isinstance(given, str | bytes):
        raise _Unusable(f"{type(given).__name__} is no key; give a PEM or a JWK")
    return _of_object(None, None, _of_pem(given.encode() if isinstance(given, str) else given))


def _of_pem(pem: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from cryptography.x509 import load_pem_x509_certificate

    if b"PRIVATE KEY" in pem:
        raise _Unusable("this is a private key; the public one is enough, and nobody else is to have the private one")
    try:
        return load_pem_x509_certificate(pem).public_key() if b"BEGIN CERTIFICATE" in pem else load_pem_public_key(pem)
    except Exception as error:
        raise _Unusable(f"this is no PEM of a public key or a certificate ({type(error).__name__})") from error


def _of_jwk(jwk: Mapping[str, Any]) -> Key:
    from jwt import PyJWK

    if jwk.get("kty") == "oct":
        raise _Unusable("a secret (kty: oct) is for HS algorithms only, and never fetched")
    if jwk.get("use") not in (None, "sig") or "verify" not in (jwk.get("key_ops") or ["verify"]):
        raise _Unusable("this JWK is not for signatures")
    if "d" in jwk:
        raise _Unusable("this JWK has the private key; the public one is enough, and nobody else is to have the private one")
    named = jwk.get("alg")
    if named is not None and named not in ASYMMETRIC:
        raise _Unusable(f"nothing is known of the algorithm {str(named)[:20]!r}")
    try:
        value = PyJWK(dict(jwk)).key
    except Exception as error:
        raise _Unusable(f"this is no JWK of a public key ({type(error).__name__})") from error
    return _of_object(_kid(jwk), named, value)


def _of_object(kid: str | None, named: str | None, value: Any) -> Key:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if isinstance(value, RSAPublicKey):
        # CWE-326.
        if value.key_size < _RSA_BITS:
            raise _Unusable(f"an RSA key of {value.key_size} bits is too short: {_RSA_BITS} at least")
        algorithms = _RSA
    elif isinstance(value, EllipticCurvePublicKey):
        algorithms = frozenset(name for curve, name in _CURVES.items() if curve == value.curve.name)
    elif isinstance(value, Ed25519PublicKey | Ed448PublicKey):
        algorithms = frozenset({"EdDSA"})
    else:
        algorithms = frozenset()
    if named is not None:
        algorithms &= {named}
    if not algorithms:
        raise _Unusable(f"no algorithm is known for a {type(value).__name__}")
    return Key(kid, algorithms, value)


def _kid(jwk: Mapping[str, Any]) -> str | None:
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise _Unusable("the kid of this JWK is not a string")
    return kid
