"""A server that speaks the part of Stripe's API that is used, over HTTP on loopback.

What a payment method does is in its name, as with Stripe's own test methods.
"""

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "rk_test_1"


class StripeServer:
    """Serves while it is entered. `intents` and `refunds` by id; `down`: every call gets a 500."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: list[dict[str, Any]] = []
        self.by_key: dict[str, tuple[dict[str, str], int, dict[str, Any]]] = {}
        self.down = False
        self.answer_garbage = False
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                self._answer("GET", parts.path, _flat(parts.query))

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                fields = _flat(self.rfile.read(length).decode())
                self._answer("POST", self.path, fields)

            def _answer(self, method: str, path: str, fields: dict[str, str]) -> None:
                key = self.headers.get("idempotency-key", "")
                authorized = self.headers.get("authorization") == f"Bearer {KEY}"
                status, body = outer._answer(method, path, fields, key, authorized)
                raw = b"<html>" if outer.answer_garbage else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "StripeServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(
        self, method: str, path: str, fields: dict[str, str], key: str, authorized: bool
    ) -> tuple[int, dict[str, Any]]:
        self.requests.append((method, path, fields))
        if self.down:
            return 500, {"error": {"message": "down"}}
        if not authorized:
            return 401, {"error": {"message": "Invalid API Key provided: rk_****"}}
        if key and key in self.by_key:
            before, status, body = self.by_key[key]
            if before != fields:
                return 400, {"error": {"type": "idempotency_error"}}
            return status, body
        status, body = self._made(method, path, fields)
        if key:
            self.by_key[key] = fields, status, body
        return status, body

    def _made(self, method: str, path: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("POST", "/v1/payment_intents"):
            return self._charged(fields)
        if (method, path) == ("GET", "/v1/payment_intents/search"):
            wanted = fields["query"].removeprefix("metadata['refill']:'").removesuffix("'")
            found = [each for each in self.intents.values() if each["metadata"]["refill"] == wanted]
            return 200, {"object": "search_result", "data": found[::-1]}
        if method == "GET" and path.startswith("/v1/payment_intents/"):
            intent = self.intents.get(path.rpartition("/")[2])
            return (200, intent) if intent else (404, {"error": {"code": "resource_missing"}})
        if (method, path) == ("GET", "/v1/disputes"):
            about = fields["payment_intent"]
            return 200, {
                "data": [each for each in self.disputes if each["payment_intent"] == about]
            }
        if (method, path) == ("GET", "/v1/refunds"):
            about = fields["payment_intent"]
            made_of = [
                {**each, "amount": int(each["amount"])}
                for each in self.refunds.values()
                if each["payment_intent"] == about
            ]
            return 200, {"data": made_of}
        if (method, path) == ("POST", "/v1/refunds"):
            made = {"id": f"re_{secrets.token_hex(6)}", "status": "succeeded", **fields}
            self.refunds[made["id"]] = made
            return 200, made
        return 404, {"error": {"message": "no such path"}}

    def _charged(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        token = fields["payment_method"]
        intent: dict[str, Any] = {
            "id": f"pi_{secrets.token_hex(6)}",
            "object": "payment_intent",
            "amount": int(fields["amount"]),
            "amount_received": 0,
            "metadata": {"refill": fields["metadata[refill]"]},
            "status": "succeeded",
            "latest_charge": {"disputed": False},
            "last_payment_error": None,
        }
        self.intents[intent["id"]] = intent
        if token == "pm_card_chargeDeclined":
            error = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}
            intent |= {"status": "requires_payment_method", "last_payment_error": error}
            return 402, {"error": {**error, "payment_intent": intent}}
        if token == "pm_processing":
            intent["status"] = "processing"
        if token == "pm_card_authenticationRequired":
            intent["status"] = "requires_action"
        if intent["status"] == "succeeded":
            intent["amount_received"] = intent["amount"]
        return 200, intent


def _flat(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query).items()}
