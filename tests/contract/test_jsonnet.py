"""The jsonnet renderer keeps the promises of a renderer."""

from trueup.renderers.jsonnet import jsonnet
from trueup.testing import RendererContract, Sample

_SHOP = b"""\
local web = import '../lib/web.libsonnet';
local colours = import 'colours.libsonnet';
{
  web: web.service(importstr 'port.txt') { metadata+: { labels: { colour: colours.front } } },
}
"""
_WEB = b"{ service(port):: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { port: port } } }\n"
_MORE = b"[{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'more' } }]\n"


class TestJsonnet(RendererContract):
    """A file that imports from beside it, from a library, and from elsewhere in the repository."""

    sample = Sample(
        kind=jsonnet,
        files={
            "app/shop.jsonnet": _SHOP,
            "app/port.txt": b"80",
            "app/vendor/colours.libsonnet": b"{ front: 'red' }\n",
            "app/README.md": b"# shop\n",
            "lib/web.libsonnet": _WEB,
        },
        edits={
            "app/shop.jsonnet": _SHOP.replace(b"labels", b"annotations"),
            "app/port.txt": b"81",
            "app/vendor/colours.libsonnet": b"{ front: 'blue' }\n",
            "lib/web.libsonnet": _WEB.replace(b"spec", b"specification"),
        },
        appearing={
            "app/more.jsonnet": _MORE,
            # Beside the file comes before any library.
            "app/colours.libsonnet": b"{ front: 'green' }\n",
        },
        broken={
            "app/shop.jsonnet": _SHOP.replace(b"../lib/web", b"../lib/elsewhere"),
            "lib/web.libsonnet": _WEB + b"}\n",
            "app/vendor/colours.libsonnet": b"{ front: error 'none is left' }\n",
        },
    )
