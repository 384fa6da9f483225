"""Reading a large project costs little."""

import time

from tests.unit.renderers.compose.project import application
from trueup.renderers.compose import compose
from trueup.testing.trees import FolderTree

_SERVICE = """
  s{number}:
    <<: *common
    image: "web:${{TAG:-1}}"
    ports: ["{port}:80"]
    environment: {{A: 1, B: "${{TAG:-x}}", C: three}}
    volumes: ["./conf:/etc/conf:ro", "data:/data"]
    healthcheck: {{test: [CMD, "true"], interval: 10s}}
    env_file: a.env
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 100m}}}}}}
"""


def test_fifty_services_are_read_in_far_less_than_200_milliseconds() -> None:
    common = "x-common: &common\n  restart: always\n  logging: {driver: json-file, options: {max-size: 10m}}\n"
    services = "".join(_SERVICE.format(number=number, port=8000 + number) for number in range(50))
    files = {"app/compose.yaml": f"{common}services:{services}volumes: {{data: }}\n", "app/a.env": "X=1\n", "app/conf/a": ""}
    tree = FolderTree({path: text.encode() for path, text in files.items()})
    compose.render(application(), tree)  # Reads the schema, once for a process.
    # What this process used: others may be busy on the machine.
    begin = time.process_time()
    assert len(compose.render(application(), tree)) == 52
    assert time.process_time() - begin < 0.2
