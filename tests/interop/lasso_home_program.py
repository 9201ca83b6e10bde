"""lasso (Debian's python3-lasso) as identity provider, told what to do line by line. Standard library besides."""

import sys
from pathlib import Path

import lasso
from lasso_attributes import attribute
from line_by_line import serve

# What it says of everybody.
AFFILIATION = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9"
VALUES = ("member@lasso.example", "staff@elsewhere.example")


class Program:
    """One identity provider whose metadata and key stand in a directory, with one service provider."""

    def __init__(self, directory: Path) -> None:
        self.server = lasso.Server(str(directory / "idp.xml"), str(directory / "idp.key"), None, None)
        self.server.signatureMethod = lasso.SIGNATURE_METHOD_RSA_SHA256
        self.server.addProvider(lasso.PROVIDER_ROLE_SP, str(directory / "sp.xml"), None, None)
        self.waiting: dict[str, str] = {}

    def encrypt(self, sp: str) -> str:
        """From now on assertions are encrypted. Newer ciphers it does not know."""
        provider = self.server.getProvider(sp)
        provider.setEncryptionMode(lasso.ENCRYPTION_MODE_ASSERTION)
        provider.setEncryptionSymKeyType(lasso.ENCRYPTION_SYM_KEY_TYPE_AES_256)
        return "done"

    def answer(self, query: str, at: str, until: str, instant: str) -> list[str]:
        """An AuthnRequest in a query. Answers where to send the browser, and the Response to post there, empty for an artifact."""
        login = self._asked(query, at, until, instant)
        if login.protocolProfile == lasso.LOGIN_PROTOCOL_PROFILE_BRWS_ART:
            login.buildArtifactMsg(lasso.HTTP_METHOD_ARTIFACT_GET)
            self.waiting[login.artifact] = login.artifactMessage
            return [login.msgUrl, ""]
        login.buildAuthnResponseMsg()
        return [login.msgUrl, login.msgBody]

    def resolve(self, envelope: str) -> str:
        """An ArtifactResolve. Answers the ArtifactResponse in its envelope."""
        login = lasso.Login(self.server)
        login.processRequestMsg(envelope)
        login.setArtifactMessage(self.waiting.pop(login.artifact))
        login.buildResponseMsg(None)
        return str(login.msgBody)

    def program(self, envelope: str, at: str, until: str, instant: str) -> str:
        """An AuthnRequest that an enhanced client brought. Answers the envelope for it."""
        login = self._asked(envelope, at, until, instant)
        login.buildResponseMsg(None)
        return str(login.msgBody)

    def _asked(self, message: str, at: str, until: str, instant: str) -> lasso.Login:
        login = lasso.Login(self.server)
        # Otherwise it leaves the Response unsigned.
        login.signatureHint = lasso.PROFILE_SIGNATURE_HINT_FORCE
        login.processAuthnRequestMsg(message)
        login.validateRequestMsg(True, True)
        login.buildAssertion(lasso.SAML2_AUTHN_CONTEXT_PASSWORD_PROTECTED_TRANSPORT, instant, None, at, until)
        statement = lasso.Saml2AttributeStatement()
        statement.attribute = (attribute(AFFILIATION, VALUES),)
        login.assertion.attributeStatement = (statement,)
        return login


if __name__ == "__main__":
    serve(Program(Path(sys.argv[1])), lasso.Error)
