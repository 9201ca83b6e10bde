"""One proxy, several VOs: each states its own, in the order of the command line, and all of it or nothing is written."""

from tests.voms.served import Site
from tests.voms_proxy.conftest import refused, second_vo


def test_each_vo_states_its_own_in_the_order_that_was_asked_for(site: Site) -> None:
    with second_vo(site):
        wishes = ("-voms", "othervo", "-voms", "testvo:/testvo/g1/Role=admin", "-voms", "othervo:/othervo/north")
        made = site.init(*wishes, "-order", "/testvo/g2")
        assert made.exit_code == 0, made.output
    assert made.output.count("Contacting") == 2
    assert site.run("info", "-vo").output == "othervo\ntestvo\n"
    assert site.run("info", "-acexists", "othervo", "-acexists", "testvo").exit_code == 0
    assert site.run("verify").output == (
        "good: /C=ZZ/O=HV Test/CN=Alice Member; othervo: /othervo/north, /othervo; "
        "testvo: /testvo/g2, /testvo/g1/Role=admin, /testvo, /testvo/g1, /testvo/g1/sub\n"
    )
    # The two answers differ in how long they last: 6 hours and the 12 that were asked for.
    lasting = [round(int(line) / 3600) for line in site.run("info", "-actimeleft").output.splitlines()]
    assert lasting == [6, 12]


def test_when_one_vo_refuses_no_proxy_is_written(site: Site) -> None:
    with second_vo(site):
        result = site.init("-voms", "testvo", "-voms", "othervo:/othervo/south")
    assert refused(result).code == "voms.answered"
    assert not (site.directory / "proxy").exists()


def test_a_vo_that_nobody_knows_keeps_the_others_from_being_asked(site: Site) -> None:
    result = site.init("-voms", "testvo", "-voms", "nowhere")
    assert refused(result).code == "voms.no_server"
    assert "Contacting" not in result.output
