"""Which commit set what runs on a Docker host, and whether somebody changed it since."""

from tests.end_to_end.compose.site import Site


def test_a_container_is_traced_to_its_commit_and_to_a_hand(site: Site) -> None:
    db = {"image": "test/sleep:1", "environment": {"MODE": "prod"}, "deploy": {"resources": {"limits": {"memory": "64M"}}}}
    first = site.write({"web": {"image": "test/sleep:1", "depends_on": ["db"]}, "db": db})
    site.apply()

    web = site.trueup("why", "shop", "Service/shop/web", "-o", "json").document
    assert (web["commit"], web["file"], web["changedBy"]) == (first, "shop/compose.yaml", [])
    mode = site.trueup("why", "shop", "Service/shop/db", "spec.environment.MODE", "-o", "json").document
    assert (mode["live"], mode["commit"], mode["changedBy"]) == ("prod", first, [])

    site.engine.docker("update", "--memory=96m", "--memory-swap=96m", "shop-db-1")
    said = site.trueup("why", "shop", "Service/shop/db", "-o", "json").document
    assert [change["path"] for touch in said["changedBy"] for change in touch["changes"]] == ["spec.mem_limit", "spec.memswap_limit"]
