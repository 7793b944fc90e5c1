"""The keys that tokens are signed with: read from the environment, and tried before the start."""

from __future__ import annotations

from typing import Any

from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from accounts.conf import ALGORITHMS, HMAC_ALGORITHMS, HMAC_KEY_LENGTHS
from authsvc import environment


def jwt_keys() -> dict[str, object]:
    """Return what ACCOUNTS needs to sign and verify tokens; each wrong key is told by its name."""
    algorithm = environment.choice("JWT_ALGORITHM", "HS256", accepted=ALGORITHMS)
    signing_key = environment.pem_or_secret("JWT_SIGNING_KEY")
    verifying_key = environment.pem_or_secret("JWT_VERIFYING_KEY")
    previous = [key.replace("\\n", "\n") for key in environment.words("JWT_PREVIOUS_KEYS")]
    if algorithm in HMAC_ALGORITHMS:
        least = HMAC_KEY_LENGTHS[algorithm]
        long_enough = f"at least {least} random characters for {algorithm}"
        if 0 < len(signing_key) < least:
            raise environment.wrong("JWT_SIGNING_KEY", long_enough)
        if any(len(key) < least for key in previous):
            raise environment.wrong(
                "JWT_PREVIOUS_KEYS", f"a comma-separated list of keys, each {long_enough}"
            )
    else:
        private, public = f"the private key for {algorithm}", f"the public key for {algorithm}"
        [signs] = require_pem("JWT_SIGNING_KEY", [signing_key], f"{private}, as PEM", algorithm)
        [verifies] = require_pem(
            "JWT_VERIFYING_KEY", [verifying_key], f"{public}, as PEM", algorithm
        )
        accepted = "a comma-separated list of public keys, as PEM"
        require_pem("JWT_PREVIOUS_KEYS", previous, accepted, algorithm)
        if not is_pair(signs, verifies, algorithm):
            raise environment.wrong(
                "JWT_VERIFYING_KEY", f"{public} that belongs to JWT_SIGNING_KEY"
            )
    return {
        "ALGORITHM": algorithm,
        "SIGNING_KEY": signing_key,
        "VERIFYING_KEY": verifying_key,
        "PREVIOUS_KEYS": previous,
    }


def require_pem(name: str, keys: list[str], accepted: str, algorithm: str) -> list[Any]:
    """Return the keys as PyJWT has them; refuse what is no PEM, or none for the algorithm."""
    try:
        return [get_default_algorithms()[algorithm].prepare_key(key) for key in keys]
    except (InvalidKeyError, ValueError, TypeError):
        # "from None": an error may quote the key.
        raise environment.wrong(name, accepted) from None


def is_pair(private: Any, public: Any, algorithm: str) -> bool:
    """Tell whether what one key signs the other one takes."""
    maths = get_default_algorithms()[algorithm]
    try:
        return bool(maths.verify(b"authsvc", public, maths.sign(b"authsvc", private)))
    except (AttributeError, TypeError, ValueError):
        # A public key signs nothing.
        return False
