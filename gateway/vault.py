"""Sealing upstream credentials at rest, and opening them.

The master key is looked for in the systemd credential `trigate-master-key`, then in `TRIGATE_MASTER_KEY`, then in
`master.key` in the data folder, which is made on first use. Any of them may hold several keys, one a line: the first
seals, all open. So a key is replaced by putting the new one on top, re-sealing, and dropping the old line.
"""

import hashlib
import hmac
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gateway.errors import ConfigurationError, NotPermitted

CREDENTIAL_NAME = "trigate-master-key"
ENVIRONMENT_NAME = "TRIGATE_MASTER_KEY"
FILE_NAME = "master.key"

_HOW_TO_MAKE = "Make one with: head -c 32 /dev/urandom | base64 | tr '+/' '-_'"


class Vault:
    """Seals with the first of its keys, opens with any. `origin` says where the keys came from."""

    def __init__(self, keys: list[str], *, origin: str = "memory") -> None:
        """Raises ConfigurationError if there is no key or one is not 32 bytes in URL-safe base64."""
        if not keys:
            raise ConfigurationError(f"The master key from {origin} is empty. {_HOW_TO_MAKE}")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigurationError(
                f"The master key from {origin} is not 32 bytes in URL-safe base64. {_HOW_TO_MAKE}"
            ) from None
        self._keys = [key.encode() for key in keys]
        self.origin = origin

    def __repr__(self) -> str:
        return f"Vault(origin={self.origin!r})"

    def derived_keys(self, purpose: str) -> dict[str, bytes]:
        """A key of 32 bytes per master key for another purpose, by an id that tells nothing; the current one first."""
        return {
            hashlib.sha256(b"id" + key).hexdigest()[:8]: hmac.digest(key, purpose.encode(), "sha256")
            for key in self._keys
        }

    def seal(self, secret: str) -> bytes:
        """A credential as it is stored."""
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """The credential in `sealed`. Raises ConfigurationError if none of the keys sealed it."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise self._cannot_open() from None

    def reseal(self, sealed: bytes) -> bytes:
        """The same credential sealed by the first key. Raises ConfigurationError if none of the keys sealed it."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise self._cannot_open() from None

    def _cannot_open(self) -> ConfigurationError:
        return ConfigurationError(
            f"A stored credential cannot be opened with the master key from {self.origin}. Put the key it was sealed "
            "with back as a further line, or store the credential again with `trigate accounts rotate NAME`."
        )


def load_vault(data_dir: Path, environ: Mapping[str, str], *, may_make: bool = True) -> Vault:
    """The vault of this data folder, its key made on first use. Where credentials have been sealed already,
    `may_make` is False: they were sealed with a key that is elsewhere, and a new one would open none of them.

    Raises NotPermitted if the key file can be read by others than its owner, ConfigurationError if a key is malformed
    or missing.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and (credential := Path(folder) / CREDENTIAL_NAME).is_file():
        return Vault(_read(credential), origin="the systemd credential " + CREDENTIAL_NAME)
    if text := environ.get(ENVIRONMENT_NAME):
        return Vault(text.split(), origin=ENVIRONMENT_NAME)
    path = data_dir / FILE_NAME
    if not path.exists():
        if not may_make:
            raise ConfigurationError(
                f"Credentials are stored here, but the master key they were sealed with is not: neither in {path}, nor "
                f"in {ENVIRONMENT_NAME}, nor in the folder that CREDENTIALS_DIRECTORY names. Run this with the key "
                f"that the gateway runs with. If it is lost, make a new one in {path}, and store each credential again "
                f"with `trigate accounts rotate NAME`. {_HOW_TO_MAKE}"
            )
        _create(path)
    _refuse_readable(path)
    return Vault(_read(path), origin=str(path))


def new_master_key() -> str:
    """32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode()


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError as error:
        raise NotPermitted(f"The master key {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"The master key {path} is not text. {_HOW_TO_MAKE}") from None


def _create(path: Path) -> None:
    """Write a new key. It appears whole or not at all, and of two processes on first use one wins for both."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(new_master_key() + "\n")
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise NotPermitted(f"The master key {path} cannot be written: {error.strerror}.") from error


def _sync_folder(folder: Path) -> None:
    """The key's name must be on disk before anything is sealed with it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_readable(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise NotPermitted(f"The master key {path} is open to others (mode {mode:04o}). Run: chmod 600 {path}")
