"""What an API key's secret looks like: prefix, 12-character public id, 43 characters that carry 256 random bits.

Only letters and digits follow the prefix and both parts have a fixed length, so the public id is found from the right,
whatever the prefix is. The prefix is cosmetic; the key's row decides what it may do.
"""

import hashlib
import secrets
import string

PUBLIC_ID_LENGTH = 12
SECRET_LENGTH = 43
_TAIL = PUBLIC_ID_LENGTH + SECRET_LENGTH
_LONGEST = 160
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _letters(bits: int, length: int) -> str:
    value = secrets.randbits(bits)
    letters = []
    for _ in range(length):
        value, index = divmod(value, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)


def new_secret(prefix: str, public_id: str | None = None) -> str:
    """A fresh secret; with `public_id`, a fresh secret of a key that keeps its public id (rotation)."""
    # 62**43 is a little more than 2**256: every one of the 256 bits fits.
    return prefix + (public_id or _letters(71, PUBLIC_ID_LENGTH)) + _letters(256, SECRET_LENGTH)


def public_id_of(text: str) -> str | None:
    """The public id inside what a client sent, or None where it cannot be a key of ours."""
    tail = text[-_TAIL:]
    if len(tail) < _TAIL or len(text) > _LONGEST or not (tail.isascii() and tail.isalnum()):
        return None
    return tail[:PUBLIC_ID_LENGTH]


def hash_secret(text: str) -> bytes:
    """SHA-256 of the whole string: 32 bytes, what the store keeps. Compare with `hmac.compare_digest`."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
