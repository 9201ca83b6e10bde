"""From a ``voms.yaml`` to a token and to the API, over TLS."""

import json
from pathlib import Path

from jose import jwt

from tests.voms_tokens.served_tokens import served_tokens


def test_a_program_gets_a_token_that_anybody_can_verify_and_manages_the_vo_with_it(tmp_path: Path) -> None:
    with served_tokens(tmp_path) as vo:
        status, document = vo.ask("GET", "/.well-known/openid-configuration")
        assert (status, document["issuer"]) == (200, vo.issuer)
        status, keys = vo.ask("GET", str(document["jwks_uri"]).removeprefix(vo.issuer))
        assert status == 200
        token = vo.token("wlcg.groups", "https://storage.test")
        claims = jwt.decode(token, keys, algorithms=["ES256"], audience="https://storage.test", issuer=vo.issuer)
        assert claims["wlcg.groups"] == ["/example", "/example/data"]
        status, refused = vo.ask("POST", "/token", "grant_type=client_credentials&audience=x")
        assert (status, refused["error"]) == (400, "invalid_request")
        status, refused = vo.ask("GET", "/api/v1/members")
        assert (status, refused["code"]) == (401, "voms.not_allowed")
        bearer = {"Authorization": f"Bearer {vo.token('vo.manage', vo.issuer)}", "Content-Type": "application/json"}
        status, made = vo.ask("POST", "/api/v1/groups", json.dumps({"path": "/example/new"}), headers=bearer)
        assert (status, made["path"]) == (201, "/example/new")
        status, _ = vo.ask("DELETE", "/api/v1/group?path=/example/new", headers=bearer)
        assert status == 204
        status, groups = vo.ask("GET", "/api/v1/groups", who=(tmp_path / "ada.pem", tmp_path / "ada.key"))
        assert [each["path"] for each in groups["groups"]] == ["/example", "/example/data"]
