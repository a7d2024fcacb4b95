"""A request for a certificate (PKCS#10): whose key it is for, and why it is refused."""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

LONGEST_REQUEST: Final = 4096


class RequestRefused(Exception):
    """No certificate for this request; the message says why and holds nothing of it."""


class AuthorityRevoked(RequestRefused):
    """The request may be fine, but what would sign its certificate is revoked."""


def validated_key(requester: ec.EllipticCurvePublicKey | bytes) -> ec.EllipticCurvePublicKey:
    """The P-256 key to certify. Of a request its signature is checked: the requester holds the
    private key. Raises RequestRefused."""
    key: object = requester
    if isinstance(requester, bytes):
        if len(requester) > LONGEST_REQUEST:
            raise RequestRefused("the request is too long")
        try:
            request = x509.load_der_x509_csr(requester)
            key = request.public_key()
            signed = request.is_signature_valid
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            raise RequestRefused("the request cannot be read") from None
        if not signed:
            raise RequestRefused("the request is not signed with its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefused("only P-256 keys are certified")
    return key
