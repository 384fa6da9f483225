"""A repository with Compose files and the Docker host that it is for, seen as somebody sees them who uses the program and docker."""

import json
from typing import Any

from tests.end_to_end.estate import Estate, Files, Said, application, documents, target
from tests.testbed.docker import compose
from tests.testbed.docker.engine import Engine, wait_until

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"


class Site:
    """The application `shop`, of the folder `shop`, on the target `here`."""

    def __init__(self, estate: Estate, engine: Engine) -> None:
        self.estate = estate
        self.engine = engine

    def declare(self, url: str = "", **spec: Any) -> None:
        """Commit the declarations; without a URL the engine is meant itself."""
        here = target("here", "compose", engine=url or self.engine.url)
        self.estate.commit({"trueup.yaml": documents(here, application("shop", **spec))})

    def write(self, services: dict[str, Any], files: Files | None = None, **sections: Any) -> str:
        """Commit a Compose file, as JSON, which is YAML, and what lies beside it; the commit."""
        content = json.dumps({"services": services, **sections}, indent=1)
        return self.estate.commit({"shop/compose.yaml": content, **{f"shop/{path}": each for path, each in (files or {}).items()}})

    def trueup(self, verb: str, *arguments: str) -> Said:
        """Run the program."""
        return self.estate.trueup(verb, *arguments)

    def apply(self, *arguments: str) -> Said:
        """Apply, and all of it is done."""
        said = self.trueup("apply", *arguments)
        assert said.code == 0, f"{said.out}\n{said.err}"
        return said

    def changes(self) -> dict[str, str]:
        """What a plan would change: key -> verb."""
        said = self.trueup("plan", "-o", "json")
        assert said.code in (0, 2), said.err
        return {
            action["key"]: action["verb"] for plan in said.document["items"] for action in plan["actions"] if action["verb"] != "unchanged"
        }

    def containers(self) -> dict[str, Any]:
        """The containers of the project as inspect shows them, by name; the carrier is none of them."""
        found = self.engine.containers(com__docker__compose__project="shop")
        return {str(each["Name"]).removeprefix("/"): each for each in found}

    def running(self) -> dict[str, tuple[str, str]]:
        """The running containers of the project: name -> id and when it was started."""
        return {name: (each["Id"], each["State"]["StartedAt"]) for name, each in self.containers().items() if each["State"]["Running"]}

    def answers(self, page: str, port: int = 8080) -> None:
        """Wait until a published port answers with this page."""
        wait_until(lambda: self.page(port) == page, f"port {port} does not answer {page!r}, but {self.page(port)!r}")

    def page(self, port: int = 8080) -> str:
        """What a published port answers; nothing when nobody does."""
        try:
            return self.engine.page(port).strip()
        except OSError:
            return ""

    def compose(self, *arguments: str) -> str:
        """What the real docker compose says of the project."""
        return compose.run(["--project-name=shop", *arguments], self.estate.folder, {"DOCKER_HOST": self.engine.url})
