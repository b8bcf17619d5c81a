"""TLS from files that are replaced while the process runs, as Kubernetes does with a mounted Secret.

Rules:
- The files are looked at every few seconds and taken over once they belong together; until then the old ones hold.
- Connections that are open keep what they were opened with; new ones get what is new.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from cairn.errors import NotConfigured

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


class Certificate:
    """A certificate with its key. Raises NotConfigured if they cannot be used."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            self._loaded = self._read()
            self.context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            raise NotConfigured(f"no usable certificate in {cert} with its key in {key}: {error}") from error

    def look(self) -> bool:
        """Take over what is new; whether there was something."""
        try:
            found = self._read()
            if found == self._loaded:
                return False
            # A pair that does not match would leave the live context with one half of it.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self._cert, self._key)
            self.context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            logger.warning("the new certificate cannot be used, the old one holds: %s", type(error).__name__)
            return False
        self._loaded = found
        logger.info("the certificate has been replaced")
        return True

    async def watch(self, seconds: float = LOOK_SECONDS) -> None:
        """Look every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            self.look()

    def _read(self) -> tuple[bytes, bytes]:
        return self._cert.read_bytes(), self._key.read_bytes()
