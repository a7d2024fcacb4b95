"""The names of the files in an identity folder."""

from typing import Final

IDENTITY_FILE: Final = "identity.json"
CERTIFICATE_FILE: Final = "certificate.pem"
ROOT_FILE: Final = "root.pem"
