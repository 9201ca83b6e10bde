"""The page of error codes as Markdown."""

from ostiary.web.error_list import error_list
from ostiary.web.texts import Catalogue


def test_codes_are_grouped_by_area_and_keep_the_table_whole() -> None:
    catalogue = Catalogue(
        {
            "en": {
                "errors.saml.audience.message": "For <somebody> else | {audience}.",
                "errors.saml.audience.remedy": "Log in\nagain.",
                "errors.http.host.message": "Wrong host.",
                "errors.http.host.remedy": "Use the right one.",
            }
        }
    )
    page = error_list(catalogue)
    assert page.index("## http") < page.index("## saml")
    assert "| `saml.audience` | For &lt;somebody> else \\| {audience}. | Log in again. |" in page
    assert page.endswith("|\n")
