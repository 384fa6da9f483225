"""Who waits for others (`depends_on`) starts when these are as it asks, and not before."""

from typing import Any

from tests.end_to_end.compose.site import Site


def test_each_condition_is_waited_for(site: Site) -> None:
    def wanted(version: str) -> dict[str, Any]:
        more = {"environment": {"VERSION": version}, "stop_grace_period": "0s", "deploy": {"update_config": {"monitor": "100ms"}}}
        check = {"test": "test -e /tmp/ready", "interval": "200ms", "retries": 100}
        return {
            "web": {"image": "test/sleep:1", "depends_on": {"api": {"condition": "service_started"}}, **more},
            "api": {"image": "test/sleep:1", "depends_on": {"migrate": {"condition": "service_completed_successfully"}}, **more},
            "migrate": {"image": "test/sleep:1", "command": "sleep 4", "depends_on": {"db": {"condition": "service_healthy"}}, **more},
            "db": {"image": "test/sleep:1", "command": 'sh -c "sleep 2; touch /tmp/ready; sleep 1000"', "healthcheck": check, **more},
        }

    site.declare(policy={"retry": {"limit": 0}})
    for version in ("1", "2"):
        site.write(wanted(version))
        site.apply()
        states = {name.split("-")[1]: each["State"] for name, each in site.containers().items()}
        healthy = next(each["Start"] for each in states["db"]["Health"]["Log"][::-1] if each["ExitCode"] == 0)
        assert states["db"]["StartedAt"] < states["migrate"]["StartedAt"], version
        assert states["migrate"]["FinishedAt"] < states["api"]["StartedAt"], f"{version}: it runs while its database is made ready"
        assert states["api"]["StartedAt"] < states["web"]["StartedAt"], version
        assert healthy, version
    site.write({**wanted("3"), "migrate": {**wanted("3")["migrate"], "command": "false"}})
    said = site.trueup("apply")
    assert said.code == 1
    assert "migrate" in said.out + said.err
    assert site.containers()["shop-api-1"]["Config"]["Env"].count("VERSION=2") == 1, "who waits for it stays as it is"
