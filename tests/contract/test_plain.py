"""The plain renderer keeps the promises of a renderer."""

from trueup.renderers.plain import plain
from trueup.testing import RendererContract, Sample

_SERVICE = b"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports: [{port: 80}]\n"
_SETTINGS = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "red"}}'


class TestPlain(RendererContract):
    """The folder itself, without what lies below it."""

    sample = Sample(
        kind=plain,
        files={
            "app/trueup.yaml": b"# the declaration\n",
            "app/web.yaml": _SERVICE,
            "app/settings.json": _SETTINGS,
            "app/README.md": b"# web\n",
            "app/below/other.yaml": _SERVICE,
        },
        edits={"app/web.yaml": _SERVICE.replace(b"80", b"81"), "app/settings.json": _SETTINGS.replace(b"red", b"blue")},
        appearing={"app/more.yml": _SERVICE.replace(b"web", b"more")},
        broken={
            "app/web.yaml": _SERVICE + b"spec: {}\n",
            "app/settings.json": b"{",
            "app/more.yaml": b"apiVersion: v1\nkind: Service\n",
        },
    )


class TestPlainRecursing(RendererContract):
    """The folders below it too, but for those that are an application's own."""

    sample = Sample(
        kind=plain,
        options={"recurse": True},
        files={"app/below/web.yaml": _SERVICE, "app/other/trueup.yaml": b"# another\n", "app/other/web.yaml": _SERVICE},
        edits={"app/below/web.yaml": _SERVICE.replace(b"80", b"81")},
        appearing={
            "app/below/deeper/more.yaml": _SERVICE.replace(b"web", b"more"),
            "app/below/trueup.yaml": b"# an application of its own now\n",
        },
        broken={"app/below/web.yaml": b"kind: [\n"},
    )
