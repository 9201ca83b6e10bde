"""The pages of the demo's VO, one after the other: for its manager, for somebody who wants to join, for a member."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.e2e.walk import (
    choose_home,
    click,
    enter_password,
    fill_in,
    forget_cookies,
    link_in_next_letter,
    wait_for_element,
    wait_for_site,
    wait_for_text,
)
from tests.running_demo import RunningDemo

_EVERYTHING_OPEN = "document.querySelectorAll('main details').forEach(one => { one.open = true; })"


def tour_vo(driver: webdriver.Chrome, demo: RunningDemo) -> Iterator[str]:
    """Alice of Northgate manages, bob asks to join and is refused in the end, emil of Southbank is a member."""
    pages = demo.ready["voms"]["pages"]
    northgate, southbank = demo.ready["idp"]
    mail = demo.state / "voms" / "mail"
    _come_as(driver, pages, northgate, "alice", "alice-opens-doors")
    yield "vo"
    yield from _looking(driver, pages)
    _publish_policy(driver, pages)
    yield "vo-policy"
    yield from _joining(driver, pages, northgate, demo)
    _come_as(driver, pages, northgate, "alice", "alice-opens-doors")
    driver.get(f"{pages}requests")
    yield "vo-requests"
    click(driver, By.CSS_SELECTOR, ".choices a")
    wait_for_element(driver, "form[action*='/request/approve']")
    yield "vo-request"
    driver.execute_script(_EVERYTHING_OPEN)
    driver.find_element(By.ID, "reason").send_keys("The instrument is booked out.")
    click(driver, By.CSS_SELECTOR, "form[action*='/request/reject'] button")
    wait_for_text(driver, "The request was rejected")
    yield "vo-request-rejected"
    letters = len(list(mail.glob("*.eml")))
    driver.execute_script(_EVERYTHING_OPEN)
    driver.find_element(By.ID, "mail").send_keys("grace@navy.example")
    click(driver, By.CSS_SELECTOR, "form[action*='/invitation/send'] button")
    wait_for_text(driver, "The invitation was sent")
    driver.get(link_in_next_letter(driver, mail, letters))
    yield "vo-invitation"
    driver.get(f"{pages}requests")
    click(driver, By.CSS_SELECTOR, "form[action*='/invitation/withdraw'] button")
    wait_for_text(driver, "was taken back")
    yield from _as_member(driver, pages, southbank)
    _come_as(driver, pages, northgate, "alice", "alice-opens-doors")
    _end_policy(driver, pages)


def _come_as(driver: webdriver.Chrome, pages: str, home: dict[str, Any], username: str, password: str) -> None:
    forget_cookies(driver)
    driver.get(pages)
    choose_home(driver, home["entity_id"])
    enter_password(driver, username, password)
    wait_for_site(driver, pages)


def _looking(driver: webdriver.Chrome, pages: str) -> Iterator[str]:
    driver.get(pages.rpartition("microscopy")[0])
    yield "vo-vos"
    for name, path in (
        ("groups", "groups"),
        ("groups-nothing", "groups?q=atlantis"),
        ("group", "group?path=/microscopy/imaging"),
        ("roles", "roles"),
        ("access", "access?group=/microscopy/imaging"),
        ("access-new", "access?group=/microscopy/imaging&for=new"),
        ("members", "members"),
        ("members-nothing", "members?q=atlantis&state=suspended"),
        ("add-member", "members/add"),
    ):
        driver.get(f"{pages}{path}")
        driver.execute_script(_EVERYTHING_OPEN)
        yield f"vo-{name}"
    driver.get(f"{pages}import")
    yield "vo-import"
    fill_in(
        driver,
        table="asserted_by,attribute,value,groups\nhttps://southbank.example/idp,mail,gus@southbank.example,/microscopy/none",
    )
    wait_for_text(driver, "Not every line can be used")
    yield "vo-import-tried"
    driver.get(f"{pages}members/add")
    fill_in(driver, asserted_by="https://southbank.example/idp")
    wait_for_text(driver, "named by three things")
    yield "vo-add-member-wrong"
    driver.get(f"{pages}members?q=eclair")
    click(driver, By.CSS_SELECTOR, "tbody th a")
    wait_for_text(driver, "Known by")
    yield "vo-member"
    driver.execute_script(_EVERYTHING_OPEN)
    yield "vo-member-open"
    member = driver.current_url.rpartition("id=")[2]
    driver.get(f"{pages}member/history?id={member}")
    yield "vo-member-history"
    driver.get(f"{pages}history")
    yield "vo-history"
    group, role = quote("/microscopy/imaging"), "operator"
    for name, query in (
        ("in", f"question=in&member={member}&group={group}&role={role}&at=2030-01-01T12:00"),
        ("who", f"question=who&who_group={group}&who_role={role}&since=2020-01-01T00:00&until=2030-01-01T00:00"),
        ("did", "question=did"),
        ("wrong", f"question=in&member={member}&group=/microscopy/atlantis&at=2030-01-01T12:00"),
    ):
        driver.get(f"{pages}history?{query}")
        driver.execute_script(_EVERYTHING_OPEN)
        yield f"vo-history-{name}"


def _publish_policy(driver: webdriver.Chrome, pages: str) -> None:
    driver.get(f"{pages}policy")
    fill_in(driver, version="Rules of the house", text="Leave the instrument as you found it.")
    wait_for_text(driver, "The change was made")


def _end_policy(driver: webdriver.Chrome, pages: str) -> None:
    """So that the next tour finds the demo as this one did."""
    driver.get(f"{pages}policy")
    driver.execute_script(_EVERYTHING_OPEN)
    click(driver, By.ID, "sure-1")
    click(driver, By.CSS_SELECTOR, "form[action*='/policy/remove'] button")
    wait_for_text(driver, "There is no policy")


def _joining(driver: webdriver.Chrome, pages: str, home: dict[str, Any], demo: RunningDemo) -> Iterator[str]:
    mail = demo.state / "voms" / "mail"
    _come_as(driver, pages, home, "bob", "bob-reads-books")
    yield "vo-stranger"
    driver.get(f"{pages}groups")
    yield "vo-groups-hidden"
    driver.get(f"{pages}members")
    yield "vo-members-denied"
    driver.get(f"{pages}me")
    yield "vo-mine-stranger"
    driver.get(f"{pages}apply")
    yield "vo-apply"
    click(driver, By.CSS_SELECTOR, "main form button.primary")
    letters = len(list(mail.glob("*.eml")))
    for name, text in (("institution", "Northgate University"), ("remark", "I want to look at ice.")):
        driver.find_element(By.NAME, name).clear()
        driver.find_element(By.NAME, name).send_keys(text)
    click(driver, By.NAME, "agreed")
    click(driver, By.CSS_SELECTOR, "main form button.primary")
    wait_for_text(driver, "bob.brewer@northgate.example")
    yield "vo-sent"
    driver.get(link_in_next_letter(driver, mail, letters))
    yield "vo-confirm"
    click(driver, By.CSS_SELECTOR, "main form button.primary")
    wait_for_site(driver, f"{pages}me")
    yield "vo-mine-waits"


def _as_member(driver: webdriver.Chrome, pages: str, home: dict[str, Any]) -> Iterator[str]:
    _come_as(driver, pages, home, "emil", "emil-counts-stars")
    yield "vo-as-member"
    for page in ("me", "ask", "sign"):
        driver.get(f"{pages}{page}")
        yield f"vo-own-{page}"
