"""lasso as identity provider, over HTTP: it logs in everybody who comes, as one person."""

import html
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ostiary.federation.model import Endpoint, Entity, EntityKey, IdpRole, Scope
from ostiary.federation.publish.documents import unsigned_entity
from ostiary.saml import names
from ostiary.saml.xml import write_instant
from tests.interop.lasso_process import LassoProcess
from tests.interop.own_resource import OverHttp
from tests.saml.world import private_pem, signer

ENTITY_ID: Final = "https://lasso.example/idp"


class LassoHome:
    """``refused`` is what lasso complained about last."""

    def __init__(self, directory: Path, sp_metadata: bytes) -> None:
        self.http = OverHttp("localhost")
        self.refused = ""
        key = signer("rsa", "lasso")
        self.metadata = unsigned_entity(
            Entity(
                ENTITY_ID,
                idp=IdpRole(
                    keys=(EntityKey(key.public, "signing", key.certificate),),
                    nameid_formats=(names.TRANSIENT,),
                    scopes=(Scope("lasso.example"),),
                    artifact_resolution=(Endpoint(names.SOAP, f"{self.http.url}/artifact", index=0),),
                    single_sign_on=(
                        Endpoint(names.HTTP_REDIRECT, f"{self.http.url}/sso"),
                        Endpoint(names.SOAP, f"{self.http.url}/ecp"),
                    ),
                ),
            )
        )
        directory.mkdir()
        (directory / "idp.xml").write_bytes(self.metadata)
        (directory / "sp.xml").write_bytes(sp_metadata)
        (directory / "idp.key").write_bytes(private_pem("rsa", "lasso"))
        self._process = LassoProcess("lasso_home_program.py", directory)
        self.http.start(self._answer)

    def say(self, action: str, *arguments: str) -> Any:
        """Sends an action and returns its answer."""
        answer = self._process.say(action, *arguments)
        if isinstance(answer, str) and answer.startswith("refused"):
            self.refused = answer
        return answer

    def stop(self) -> None:
        self.http.stop()
        self._process.stop()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        now = datetime.now(UTC)
        times = [write_instant(at) for at in (now, now + timedelta(minutes=5), now)]
        if environ["PATH_INFO"] == "/sso":
            where, response = self.say("answer", environ["QUERY_STRING"], *times)
            if not response:
                start_response("303 See Other", [("Location", where)])
                return [b""]
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            field = f'<input type="hidden" name="SAMLResponse" value="{html.escape(response)}">'
            return [f'<form method="post" action="{html.escape(where)}">{field}</form>'.encode()]
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        answer = self.say("resolve", body) if environ["PATH_INFO"] == "/artifact" else self.say("program", body, *times)
        start_response("200 OK", [("Content-Type", "text/xml")])
        return [answer.encode()]
