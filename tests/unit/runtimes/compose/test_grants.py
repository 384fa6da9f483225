"""What a Compose file may give to containers, where the operator limits it."""

from typing import Any

import pytest

from trueup.runtimes.compose.grants import Grants, beyond

BIND = {"type": "bind", "target": "/x"}
WAYS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("Service", {"privileged": True}, {"privileged": True}),
    ("Service", {"volumes": [{**BIND, "source": "/"}]}, {"hostPaths": ["/"]}),
    ("Service", {"volumes": [{**BIND, "source": "/var/run/docker.sock"}]}, {"hostPaths": ["/var/run"]}),
    ("Service", {"volumes": [{**BIND, "source": "/srv/shop/../../etc"}]}, {"hostPaths": ["/etc"]}),
    ("Service", {"volumes": [{**BIND, "source": "//srv/shopping"}]}, {"hostPaths": ["/srv/shopping"]}),
    ("Service", {"volumes_from": ["container:db:ro"]}, {"volumes": ["db:*"]}),
    ("Service", {"devices": [{"source": "/dev/ttyUSB0", "target": "/dev/tty"}]}, {"devices": ["/dev/ttyUSB*"]}),
    ("Service", {"devices": ["/dev/shm/../sda:/dev/x"]}, {"devices": ["/dev/sda"]}),
    ("Service", {"device_cgroup_rules": ["a *:* rwm"]}, {"devices": ["a *"]}),
    ("Service", {"gpus": [{"count": -1}]}, {"devices": ["gpus"]}),
    ("Service", {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}}, {"devices": ["gpus"]}),
    ("Service", {"cap_add": ["NET_ADMIN"]}, {"capabilities": ["cap_net_admin"]}),
    ("Service", {"cap_add": "ALL"}, {"capabilities": ["ALL"]}),
    ("Service", {"security_opt": ["seccomp=unconfined"]}, {"securityOptions": ["seccomp*"]}),
    ("Service", {"network_mode": "host"}, {"hostNamespaces": ["network"]}),
    ("Service", {"network_mode": "container:db"}, {"hostNamespaces": ["network"]}),
    ("Service", {"network_mode": "bridge"}, {"networks": ["bridge"]}),
    ("Service", {"pid": "host"}, {"hostNamespaces": ["pid"]}),
    ("Service", {"ipc": "container:db"}, {"hostNamespaces": ["ipc"]}),
    ("Service", {"uts": "host"}, {"hostNamespaces": ["uts"]}),
    ("Service", {"userns_mode": "host"}, {"hostNamespaces": ["user"]}),
    ("Service", {"cgroup": "host"}, {"hostNamespaces": ["cgroup"]}),
    ("Service", {"cgroup_parent": "/"}, {"hostNamespaces": ["cgroup"]}),
    ("Service", {"build": {"content": "/shop", "network": "host"}}, {"hostNamespaces": ["network"]}),
    ("Service", {"runtime": "bare"}, {"drivers": ["bare"]}),
    ("Service", {"logging": {"driver": "syslog"}}, {"drivers": ["sys*"]}),
    ("Service", {"secrets": [{"name": "registry", "target": "/run/secrets/registry"}]}, {"secrets": ["registry"]}),
    ("Service", {"build": {"content": "/app", "secrets": [{"id": "token", "name": "token"}]}}, {"secrets": ["token"]}),
    ("Network", {"external": True, "name": "proxy"}, {"networks": ["proxy"]}),
    ("Network", {"name": "other_default"}, {"networks": ["other_*"]}),
    ("Network", {"driver": "macvlan"}, {"drivers": ["macvlan"]}),
    ("Network", {"driver_opts": {"com.docker.network.bridge.name": "docker0"}}, {"networks": ["docker0"]}),
    ("Volume", {"external": True, "name": "other_data"}, {"volumes": ["other_data"]}),
    ("Volume", {"driver": "rclone"}, {"drivers": ["rclone"]}),
    ("Volume", {"driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}, {"hostPaths": ["/etc"]}),
    ("Volume", {"driver_opts": {"type": "tmpfs", "o": "ro,bind", "device": "/etc"}}, {"hostPaths": ["/etc"]}),
    ("Volume", {"driver_opts": {"type": "ext4", "device": "/dev/sda1"}}, {"hostPaths": ["/dev/sda1"]}),
    ("Volume", {"driver_opts": {"type": "overlay", "o": "lowerdir=/etc", "device": "overlay"}}, {"hostPaths": ["/"]}),
    ("Volume", {"driver_opts": {"type": "nfs", "o": "addr=10.0.0.1", "device": ":/export"}}, {"drivers": ["nfs"]}),
]
ORDINARY: list[tuple[str, dict[str, Any]]] = [
    (
        "Service",
        {
            "image": "nginx:1",
            "volumes": [{**BIND, "content": "/shop/conf"}, {"type": "volume", "source": "data", "target": "/data"}, {"type": "tmpfs"}],
            "network_mode": "service:db",
            "ipc": "shareable",
            "security_opt": ["no-new-privileges:true"],
            "cap_drop": ["ALL"],
            "logging": {"driver": "json-file"},
            "networks": {"default": None},
            "volumes_from": ["db:ro"],
            "privileged": False,
        },
    ),
    ("Network", {"name": "shop_it", "driver": "bridge", "internal": True}),
    ("Volume", {"name": "shop_it", "driver": "local"}),
    ("Volume", {"driver_opts": {"type": "tmpfs", "o": "size=1m", "device": "tmpfs"}}),
]


@pytest.mark.parametrize(("kind", "spec", "granted"), WAYS, ids=[str(way[1])[:60] for way in WAYS])
def test_what_reaches_beyond_a_container_needs_to_be_granted(kind: str, spec: dict[str, Any], granted: dict[str, Any]) -> None:
    body = {"kind": kind, "metadata": {"namespace": "shop", "name": "it"}, "spec": spec}
    (objection,) = beyond(Grants(host_paths=("/srv/shop",), devices=("/dev/shm/*",), secrets=("db",)), body)
    assert objection.liftable
    assert f"`{next(iter(granted))} = " in objection.hint
    assert beyond(Grants.model_validate(granted), body) == []
    assert beyond(None, body) == []


@pytest.mark.parametrize(("kind", "spec"), ORDINARY)
def test_what_stays_within_a_project_needs_no_grant(kind: str, spec: dict[str, Any]) -> None:
    assert beyond(Grants(), {"kind": kind, "metadata": {"namespace": "shop", "name": "it"}, "spec": spec}) == []
