"""Where checkpoints are published to: a further folder, and any HTTPS address."""

import asyncio
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.audit.folder import CheckpointFolder
from adapters.audit.note import BadNote
from adapters.audit.publishing import NotPublished, Place
from adapters.settings import Settings

if TYPE_CHECKING:
    import httpx

CONNECT_S: Final = 5.0
_HISTORY_S: Final = 60.0
_TOKEN_BYTES: Final = 8_192


def places(settings: Settings, key: Ed25519PublicKey) -> list[Place]:
    """All places that the settings name."""
    found: list[Place] = []
    if settings.publish_folder is not None:
        found.append(FolderPlace(settings.publish_folder, key))
    return found + [
        HttpsPlace(
            url,
            method=settings.publish_method,
            ca_file=settings.publish_ca_file,
            token_file=settings.publish_token_file,
            every_s=settings.publish_every_s,
        )
        for url in settings.publish_urls
    ]


class FolderPlace:
    """A folder of `checkpoint`, `history` (one note a minute) and `log.pub`, all readable."""

    every_s = 0.5

    def __init__(self, path: Path, key: Ed25519PublicKey) -> None:
        self.name = str(path)
        self._folder = CheckpointFolder(path, file_mode=0o644)
        self._key = key
        self._next_history_s = 0.0

    def publish(self, note: str, within_s: float) -> None:
        """See `Place`. Nothing is written over what is of another log."""
        folder = self._folder
        try:
            folder.path.mkdir(mode=0o755, exist_ok=True)  # not its parents: a mount may be missing
            before = folder.newest_note()
            if before is not None and before.partition("\n")[0] != note.partition("\n")[0]:
                raise NotPublished("it holds the checkpoints of another log")
            if folder.public_key() is None:
                folder.write_public_key(self._key)
            keep = time.monotonic() >= self._next_history_s
            folder.write_note(note, keep=keep)
        except OSError as error:
            raise NotPublished(f"it cannot be written: {error.strerror}") from None
        except BadNote as error:
            raise NotPublished(f"what lies there cannot be believed: {error}") from None
        if keep:
            self._next_history_s = time.monotonic() + _HISTORY_S


class HttpsPlace:
    """An address that takes a note as the body of a PUT or POST and answers 2xx.

    Redirects are not followed and no proxy of the environment is used: a note goes where the
    settings say, or nowhere. `ca_file`: the only authorities that are trusted there.
    """

    def __init__(
        self,
        url: str,
        *,
        method: str = "PUT",
        ca_file: Path | None = None,
        token_file: Path | None = None,
        every_s: float = 10.0,
    ) -> None:
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.netloc}{parts.path}"  # a query may be a secret
        self.every_s = every_s
        self._url = url
        self._method = method
        self._ca_file = ca_file
        self._token_file = token_file

    def publish(self, note: str, within_s: float) -> None:
        """See `Place`."""
        import httpx

        headers = {"Content-Type": "text/plain; charset=utf-8", **self._authorization()}
        client = httpx.AsyncClient(
            verify=self._trusted(), trust_env=False, follow_redirects=False, timeout=CONNECT_S
        )
        try:
            # A limit over all: one that sends a byte now and then must not hold us for ever.
            status = asyncio.run(asyncio.wait_for(self._send(client, note, headers), within_s))
        except (TimeoutError, httpx.TimeoutException):
            raise NotPublished("no answer in time") from None
        except httpx.HTTPError as error:
            raise NotPublished(_kind(error)) from None
        if not 200 <= status < 300:
            raise NotPublished(f"it answered HTTP {status}")

    async def _send(self, client: "httpx.AsyncClient", note: str, headers: dict[str, str]) -> int:
        """The status; the body of the answer is of no interest, however long it is."""
        async with (
            client,
            client.stream(
                self._method, self._url, content=note.encode(), headers=headers
            ) as response,
        ):
            return response.status_code

    def _trusted(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(
                cafile=str(self._ca_file) if self._ca_file is not None else None
            )
        except (OSError, ssl.SSLError):
            raise NotPublished(f"{self._ca_file} holds no certificates that can be used") from None

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            with self._token_file.open("rb") as file:
                token = file.read(_TOKEN_BYTES).decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise NotPublished(f"{self._token_file} cannot be read") from None
        if not token or not token.isprintable():
            raise NotPublished(f"{self._token_file} holds no token")
        return {"Authorization": f"Bearer {token}"}


def _kind(error: "httpx.HTTPError") -> str:
    """A text that is the same for the same kind of trouble, and repeats nothing of the answer."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection"
        if isinstance(cause, ConnectionRefusedError):
            return "nobody listens there"
        cause = cause.__cause__ or cause.__context__
    return f"it cannot be reached ({type(error).__name__})"
