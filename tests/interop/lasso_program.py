"""lasso (Debian's python3-lasso) as service provider and as enhanced client, told what to do line by line. Standard library besides."""

import sys
from pathlib import Path

import lasso
from line_by_line import serve


class Program:
    """One service provider whose metadata and key stand in a directory, with the session of one person."""

    def __init__(self, directory: Path) -> None:
        self.server = lasso.Server(str(directory / "sp.xml"), str(directory / "sp.key"), None, None)
        self.server.signatureMethod = lasso.SIGNATURE_METHOD_RSA_SHA256
        self.server.addProvider(lasso.PROVIDER_ROLE_IDP, str(directory / "idp.xml"), None, None)
        self.login = lasso.Login(self.server)
        self.client = lasso.Ecp(self.server)
        self.session = ""

    def post(self, message: str) -> str:
        """A Response by form. Answers the NameID."""
        self.login = lasso.Login(self.server)
        self.login.processAuthnResponseMsg(message)
        return self._logged_in()

    def artifact(self, query: str) -> list[str]:
        """An artifact in a query. Answers where to resolve it, and the SOAP message."""
        self.login = lasso.Login(self.server)
        self.login.initRequest(query, lasso.HTTP_METHOD_ARTIFACT_GET)
        self.login.buildRequestMsg()
        return [self.login.msgUrl, self.login.msgBody]

    def resolved(self, envelope: str) -> str:
        self.login.processResponseMsg(envelope)
        return self._logged_in()

    def log_out(self) -> str:
        """The URL of a LogoutRequest of its own."""
        logout = lasso.Logout(self.server)
        logout.setSessionFromDump(self.session)
        logout.initRequest(None, lasso.HTTP_METHOD_REDIRECT)
        logout.buildRequestMsg()
        self.logout = logout
        return str(logout.msgUrl)

    def logged_out(self, query: str) -> str:
        self.logout.processResponseMsg(query)
        return "taken"

    def asked_to_log_out(self, query: str) -> str:
        """A LogoutRequest in a query. Answers the URL of its LogoutResponse."""
        logout = lasso.Logout(self.server)
        logout.setSessionFromDump(self.session)
        logout.processRequestMsg(query)
        logout.validateRequest()
        logout.buildResponseMsg()
        return str(logout.msgUrl)

    def paos_request(self, idp: str, relay_state: str) -> str:
        """What it tells an enhanced client."""
        self.login = lasso.Login(self.server)
        self.login.initAuthnRequest(idp, lasso.HTTP_METHOD_PAOS)
        self.login.request.protocolBinding = lasso.SAML2_METADATA_BINDING_PAOS
        self.login.msgRelayState = relay_state
        self.login.buildAuthnRequestMsg()
        return str(self.login.msgBody)

    def client_reads_sp(self, envelope: str) -> str:
        self.client = lasso.Ecp(self.server)
        self.client.processAuthnRequestMsg(envelope)
        return str(self.client.msgUrl)

    def client_reads_idp(self, envelope: str) -> list[str]:
        self.client.processResponseMsg(envelope)
        return [self.client.msgUrl, self.client.msgBody]

    def paos_response(self, envelope: str) -> list[str]:
        self.login = lasso.Login(self.server)
        self.login.processPaosResponseMsg(envelope)
        return [self._logged_in(), self.login.msgRelayState]

    def _logged_in(self) -> str:
        self.login.acceptSso()
        self.session = self.login.session.dump()
        return str(self.login.nameIdentifier.content)


if __name__ == "__main__":
    serve(Program(Path(sys.argv[1])), lasso.Error)
