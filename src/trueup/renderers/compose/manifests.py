"""A project -> manifests: a Service for each service, and the networks and volumes that these use.

What comes from the repository is named by ``content``, a path from its root; configs and secrets are resolved into the services.
"""

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from trueup.model.errors import DeclarationError
from trueup.model.manifest import WAVE_ANNOTATION, Body, Key, Manifest, Origin
from trueup.renderers.compose.extension import extension_of
from trueup.renderers.compose.files import Files, inside
from trueup.renderers.compose.located import Faults, Place, Row, Table, Within
from trueup.renderers.compose.paths import is_remote
from trueup.renderers.compose.project import Project
from trueup.renderers.compose.waves import waves_of

API_VERSION: Final = "compose.trueup.dev/v1"
_WITHOUT: Final = ("develop", "env_file", "label_file", "profiles", "extends")
"""What is said to Compose and not to the container."""
_TARGET: Final = "/run/secrets"


class Manifests:
    """Makes the manifests of one project. ``directory`` is the host's folder for relative paths that are not in Git."""

    def __init__(self, project: Project, directory: str, files: Files, faults: Faults) -> None:
        self._project = project
        self._directory = directory
        self._files = files
        self._faults = faults

    def all(self) -> list[Manifest]:
        """Every manifest: networks, volumes, services."""
        services = self._project.model["services"]
        waves = waves_of(services)
        objects = [self._resource(section, name) for section in ("networks", "volumes") for name in self._written(section)]
        return [*objects, *(self._service(name, waves.get(name, 0)) for name in services)]

    def _written(self, section: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._project.canonical.get(section) or {}
        return found

    def _resource(self, section: str, name: str) -> Manifest:
        spec = {key: value for key, value in self._written(section)[name].items() if value != {}}
        table = self._project.model[section]
        device = (table[name].get("driver_opts") or {}).get("device") if isinstance(table[name], Table) else None
        if isinstance(device, Within):
            # The engine binds the folder of such a volume by itself, and knows nothing of Git.
            place = table[name]["driver_opts"].place_of("device")
            bound = self._on_host(device, place, f"the device `{device}` of a volume is not a folder of the host")
            spec["driver_opts"] = {**spec["driver_opts"], "device": bound}
        return self._manifest("Network" if section == "networks" else "Volume", name, spec, table.place_of(name))

    def _service(self, name: str, wave: int) -> Manifest:
        services = self._project.model["services"]
        model: Table = services[name]
        spec = {key: value for key, value in self._written("services")[name].items() if key not in _WITHOUT}
        if "depends_on" in spec:
            spec["depends_on"] = {other: told for other, told in spec["depends_on"].items() if other in services}
        spec["volumes"] = [self._mount(*entry) for entry in zip(spec.get("volumes", ()), _placed(model, "volumes"), strict=True)]
        for section in ("configs", "secrets"):
            spec[section] = []
            for written, placed in zip(self._written("services")[name].get(section, ()), _placed(model, section), strict=True):
                self._add_file(spec, section, written, placed)
        if platform := spec.get("platform") or self._project.variables.get("DOCKER_DEFAULT_PLATFORM"):
            spec["platform"] = platform
        if "build" in spec:
            spec["build"] = self._build(spec["build"], model["build"], spec.get("platform", ""))
        told = extension_of(model, model.place_of("x-trueup"), self._faults, of_service=True)
        if told:
            spec["x-trueup"] = told
        spec = {key: value for key, value in spec.items() if value not in ([], {}) or key in ("command", "entrypoint")}
        manifest = self._manifest("Service", name, spec, services.place_of(name))
        if wave:
            manifest.body["metadata"]["annotations"] = {WAVE_ANNOTATION: str(wave)}
        return manifest

    def _manifest(self, kind: str, name: str, spec: Body, place: Place) -> Manifest:
        metadata: Body = {"name": name, "namespace": self._project.name}
        body: Body = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
        return Manifest(Key.of(body), body, Origin(str(place.file), place.line))

    def _mount(self, written: Body, placed: tuple[Table, Place]) -> Body:
        table, place = placed
        entry = {**written, **self._extension(table, place)}
        source = table.get("source")
        if entry["type"] != "bind":
            return entry
        if entry.pop("source", None) is None:
            self._faults.add(place, "a bind mount needs a source", "write `source: ./FOLDER`, or make it a volume")
            return entry
        return {**entry, **self._source(source, place)}

    def _source(self, path: Any, place: Place) -> Body:
        """Where the content of a mount is: in the repository, or on the host."""
        if not isinstance(path, Within):
            return {"source": self._absolute(str(path), place)}
        if self._kind(path, place):
            return {"content": f"/{path}"}
        return {"source": self._on_host(path, place, f"`{path}` is not in the repository")}

    def _kind(self, path: Within, place: Place) -> str | None:
        if _leaves(path):
            self._faults.add(place, f"`{path}` leaves the repository", "name a path inside the repository, or an absolute one of the host")
            return "outside"
        try:
            return self._files.kind(path)
        except DeclarationError as error:
            self._faults.extend(error)
            return "outside"

    def _on_host(self, path: Within, place: Place, message: str) -> str:
        """The place on the host of a relative path that is not in Git; without a folder for it, a fault with this message."""
        relative = posixpath.relpath(path or ".", self._project.folder or ".")
        if not self._directory.startswith("/") or relative.startswith(".."):
            hint = "write an absolute path of the host, use a volume, or say where such folders lie: `render: {directory: /srv/...}`"
            self._faults.add(place, message, hint)
            return "/"
        return posixpath.normpath(posixpath.join(self._directory, relative))

    def _absolute(self, path: str, place: Place) -> str:
        if not path.startswith("/"):
            hint = "write an absolute path; `~` depends on who runs Compose, and one letter before a colon is a drive, not a volume"
            self._faults.add(place, f"`{path}` is no path of a Linux host", hint)
        return posixpath.normpath(path)

    def _extension(self, table: Table, place: Place) -> Body:
        told = extension_of(table, place, self._faults, of_service=False)
        return {"x-trueup": told} if told else {}

    def _add_file(self, spec: Body, section: str, written: Body, placed: tuple[Table, Place]) -> None:
        """A config or secret of a service, with its content or where that comes from."""
        table, place = placed
        source = str(written.pop("source", ""))
        declared = (self._project.model.get(section) or {}).get(source)
        if not isinstance(declared, Table):
            return
        default = f"/{source}" if section == "configs" else f"{_TARGET}/{source}"
        target = str(written.get("target") or default)
        if not target.startswith("/"):
            target = f"{_TARGET}/{target}" if section == "secrets" else f"/{target}"
        entry = {**written, "target": target}
        if section == "configs":
            entry |= self._extension(table, place)
        elif "x-trueup" in table:
            hint = "remove it; a secret that changes makes a new container"
            self._faults.add(table.place_of("x-trueup"), "`x-trueup` means nothing at a secret", hint)
        given = self._content(section, declared, declared.place_of("file"))
        if "source" in given:
            spec["volumes"].append({"type": "bind", "target": target, "read_only": True, "bind": {}, **given})
        else:
            spec[section].append({**entry, **given})

    def _content(self, section: str, declared: Table, place: Place) -> Body:
        if "file" in declared:
            return self._source(declared["file"], place)
        name = str(declared.get("environment", ""))
        if section == "secrets":
            return {"name": name}
        if not name:
            return {"text": str(declared.get("content", ""))}
        if name not in self._project.variables:
            hint = f"set {name} in `render.variables` or in `.env`; a secret is declared below `secrets`"
            self._faults.add(declared.place_of("environment"), f"the variable {name} is not set", hint)
        return {"text": self._project.variables.get(name, "")}

    def _build(self, written: Body, model: Table, platform: str) -> Body:
        build = {key: value for key, value in written.items() if key != "context"}
        build["content"] = self._context(model.get("context"), model.place_of("context"))
        # One of several platforms is what a host needs, and the builder knows which.
        several = build.pop("platforms", [])
        if platform or len(several) == 1:
            build["platform"] = platform or several[0]
        if "dockerfile" in build and "dockerfile_inline" not in build:
            self._find_dockerfile(build, model)
        if "secrets" in build:
            placed = zip(written["secrets"], _placed(model, "secrets"), strict=True)
            build["secrets"] = [self._of_a_build(each, place) for each, (_, place) in placed]
        return build

    def _of_a_build(self, written: Body, place: Place) -> Body:
        """A secret of a build: the name that a step mounts it by, and where its value comes from."""
        source = str(written.get("source", ""))
        declared = (self._project.model.get("secrets") or {}).get(source)
        given = self._content("secrets", declared, declared.place_of("file")) if isinstance(declared, Table) else {}
        if "source" in given:
            hint = "write `environment: NAME` (a secret that the operator sets), or a file of the repository"
            self._faults.add(place, f"the build's secret `{source}` is a file of the host, where no builder sees it", hint)
        return {"id": str(written.get("target") or source), **given}

    def _find_dockerfile(self, build: Body, model: Table) -> None:
        """It is sent with the context, and so lies in it."""
        context = model.get("context")
        name = posixpath.normpath(build["dockerfile"])
        place = model.place_of("dockerfile") if "dockerfile" in model.places else model.place_of("context")
        if name.startswith(("/", "../")):
            hint = "put it into the context, or name a context that holds it"
            self._faults.add(place, f"the Dockerfile `{name}` lies outside of its build context", hint)
        elif isinstance(context, Within) and not _leaves(context) and self._files.is_folder(context):
            path = inside(context, name)
            if not self._files.is_file(path):
                self._faults.add(place, f"there is no Dockerfile `{path}`", "add it, or name another: `build: {dockerfile: ...}`")

    def _context(self, path: Any, place: Place) -> str:
        if is_remote(str(path)):
            return str(path)  # Told as what is not supported.
        if not isinstance(path, Within):
            self._faults.add(place, f"the build context `{path}` is not in the repository", "write a path relative to the Compose file")
        elif not self._kind(path, place):
            self._faults.add(place, f"there is no folder `{path}` to build from", "add it, or correct the path")
        return f"/{path}"


def _leaves(path: str) -> bool:
    return path == ".." or path.startswith("../")


def _placed(table: Table, name: str) -> list[tuple[Table, Place]]:
    row = table.get(name)
    return [(each, place) for each, place in row.placed()] if isinstance(row, Row) else []
