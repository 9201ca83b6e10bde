"""A discovery service with a federation of six hundred, and a resource on another site that sends people there and shows what came back."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from ostiary.clock import SystemClock
from ostiary.federation.keys import KeyRing
from ostiary.federation.model import (
    Contact,
    Display,
    Endpoint,
    Entity,
    IdpRole,
    LocalizedText,
    Scope,
    SpRole,
)
from ostiary.federation.registry import Registry
from ostiary.saml import names
from ostiary.web.log import make_log
from tests.running_demo import free_base_port
from tests.signers import make_signer
from wayf.service import make_wayf
from wayf.settings import WayfSettings

UTRECHT = "https://idp.utrecht.example/saml"
CAIRO = "https://idp.cairo.example/saml"
GUEST = "https://guest.example/saml"

ARABIC = """\
pages:
  page: {skip: إلى المحتوى, footer: "يسأل Ostiary من أين أنت، ولا يقول أكثر مما يلزم."}
  discovery:
    title: من أين أنت؟
    lead: "تود {resource} أن تعرف المؤسسة التي تنتمي إليها. تسجل الدخول هناك بكلمة مرورك وليس هنا."
    language: "اللغة:"
    last_time: جئت في المرة الماضية من
    continue_with: المتابعة مع {name}
    forget: نسيانها كلها
    edit: {title: تغيير ما هو محفوظ, one: نسيان}
    somewhere_else: أو اختر مؤسسة أخرى
    search: {label: ابحث عن مؤسستك, hint: اسمها أو جزء منه أو عنوان بريدك, button: بحث}
    found: {more: "{shown} من {total} مؤسسة. اكتب جزءا من الاسم."}
    remember: {label: تذكر اختياري في هذا المتصفح, hint: في ملف تعريف ارتباط، ولا شيء غير المؤسسة.}
    not_listed: {title: مؤسستي غير مدرجة}
"""


def _home(entity_id: str, scope: str, *shown: tuple[str, str], place: str = "") -> Entity:
    display = Display(
        names=tuple(LocalizedText(text, language) for language, text in shown),
        geolocation_hints=(place,) if place else (),
    )
    sign_on = (Endpoint(names.HTTP_REDIRECT, f"{entity_id}/sso"),)
    return Entity(entity_id, idp=IdpRole(display=display, single_sign_on=sign_on, scopes=(Scope(scope),)))


def _federation(resource: str) -> Registry:
    towns = ("Aarhus", "Brno", "Coimbra", "Debrecen", "Évora", "Firenze", "Gdańsk", "Heidelberg", "İzmir", "Jyväskylä")
    kinds = ("University", "Institute of Technology", "College of Art")
    return Registry(
        [
            Entity(
                f"{resource}/sp",
                sp=SpRole(
                    assertion_consumers=(Endpoint(names.HTTP_POST, f"{resource}/acs", index=1),),
                    display=Display(names=(LocalizedText("The Reading Room", "en"),)),
                    discovery_responses=(Endpoint(names.IDPDISC, f"{resource}/back", index=1),),
                ),
                contacts=(Contact("support", emails=("desk@reading.example",)),),
            ),
            _home(UTRECHT, "utrecht.example", ("en", "Utrecht University"), place="geo:52.09,5.12"),
            _home(CAIRO, "cairo.example", ("ar", "جامعة القاهرة"), ("en", "Cairo University"), place="geo:30.03,31.21"),
            _home(GUEST, "guest.example", ("en", "Guest accounts of the federation")),
            *(
                _home(
                    f"https://idp.{number}.example/saml",
                    f"{number}.example",
                    ("en", f"{towns[number % 10]} {kinds[number % 3]} {number}"),
                )
                for number in range(600)
            ),
        ]
    )


@dataclass(frozen=True)
class DiscoverySite:
    """``wayf``: the discovery service; ``resource``: where a person begins. It says which organisation came back."""

    wayf: str
    resource: str


@contextmanager
def discovery_site(directory: Path) -> Iterator[DiscoverySite]:
    """Runs both in this process, each on its own site."""
    port = free_base_port(2)
    site = DiscoverySite(f"http://localhost:{port}", f"http://127.0.0.1:{port + 1}")
    texts = directory / "texts" / "ar"
    texts.mkdir(parents=True)
    (texts / "discovery.yaml").write_text(ARABIC, "utf-8")
    clock = SystemClock()
    settings = WayfSettings.model_validate(
        {
            "public_url": site.wayf,
            "listen": {"port": port},
            "federation_name": "https://federation.example.org",
            "trust": {"keys": str(directory), "metadata": ()},
            "guests": [GUEST],
            "federation_help": {"name": "Example Federation", "email": "help@federation.example"},
            "branding": {"texts": str(directory / "texts")},
        }
    )
    registry, keys = _federation(site.resource), KeyRing(make_signer("wayf"), ())
    app = make_wayf(
        settings,
        registry=lambda: registry,
        key_ring=lambda: keys,
        log=make_log(clock, service="wayf", stream=io.StringIO()),
        clock=clock,
    )
    servers = [
        make_server("127.0.0.1", port, app, threaded=True),
        make_server("127.0.0.1", port + 1, _resource(site), threaded=True),
    ]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield site
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def _resource(site: DiscoverySite) -> Request:
    @Request.application
    def application(request: Request) -> Response:
        if request.path == "/back":
            (chosen,) = parse_qs(request.query_string.decode()).get("entityID", ["nobody"])
            return Response(
                f"<!doctype html><title>Back</title><h1>You are from {escape(chosen)}</h1>", mimetype="text/html"
            )
        question = {"entityID": f"{site.resource}/sp", "return": f"{site.resource}/back?page=1"}
        return Response(status=302, headers={"Location": f"{site.wayf}/discovery?{urlencode(question)}"})

    return application
