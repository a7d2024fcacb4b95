"""What the website's session carries: reports to it, its acknowledgements back."""

from adapters.backend.reports import Reports
from adapters.backend.sessions import Peer
from protocol import bodies, certificate_messages, messages
from protocol.bodies import shape_of_request
from protocol.line import Line


class WebsiteService:
    """`sessions.Service` for the role `website`."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def opened(self, peer: Peer) -> None:
        """It will say how far it is."""
        self._reports.connected(peer, lambda body: peer.reply("D", "REPORT", body))

    def received(self, peer: Peer, line: Line, body: bytes) -> None:
        """I STATUS or I ERROR."""
        shape_of_request(peer.role, line.kind, line.verb)
        if line.verb == "ERROR":
            error = bodies.read(body, messages.ErrorBody)
            if (re := error.get("re")) is not None:
                self._reports.refused(peer, re, error["code"])
            return
        status = bodies.read(body, certificate_messages.WebsiteStatus)
        re, upto = status.get("re"), status["upto"]
        if status["state"] == "stored" and re is not None:
            self._reports.acknowledged(peer, re, upto)
        else:
            self._reports.have(peer, upto, re)

    def closed(self, peer: Peer) -> None:
        """The next session begins where the website then is."""
        self._reports.gone(peer)
