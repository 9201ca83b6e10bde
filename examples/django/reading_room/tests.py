"""Tests of the application, without keys, federation and login."""

from django.test import SimpleTestCase
from sp_shire.testing import StandIn

shire = StandIn("sp.yaml")


class RoomTests(SimpleTestCase):
    def get(self, path, attributes=None):
        return self.client.get(path, headers={"host": "127.0.0.1"}, **shire.environ(path, attributes))

    def test_the_first_page_is_for_everybody(self):
        self.assertContains(self.get("/"), "Anybody may read this page.")

    def test_a_member_sees_what_she_is(self):
        page = self.get("/room/", {"eduPersonScopedAffiliation": "member@northgate.example"})
        self.assertContains(page, "<li>member@northgate.example</li>")

    def test_who_has_left_stays_outside(self):
        with self.assertRaises(LookupError):
            self.get("/room/", {"eduPersonScopedAffiliation": "alum@northgate.example"})
