"""The Compose renderer keeps the promises of a renderer."""

from trueup.renderers.compose import compose
from trueup.testing import RendererContract, Sample

_MAIN = b"""\
name: shop
include: [part/compose.yaml]
services:
  web:
    image: "web:${TAG:-none}"
    env_file: [web.env, {path: more.env, required: false}]
    label_file: web.labels
    volumes: [./conf:/conf:ro]
    configs: [settings]
    depends_on: {db: {condition: service_healthy}}
  db:
    extends: {file: base/db.yaml, service: postgres}
configs:
  settings: {file: settings.ini}
"""
_PART = b"services:\n  part:\n    image: part:${SIZE:-1}\n"
_BASE = b"services:\n  postgres:\n    image: postgres\n    env_file: db.env\n"


class TestCompose(RendererContract):
    """A project of several files, in more than one folder."""

    sample = Sample(
        kind=compose,
        options={"variables": {"PORT": "80"}},
        files={
            "app/trueup.yaml": b"# the declaration\n",
            "app/compose.yaml": _MAIN,
            "app/web.env": b"COLOUR=red\n",
            "app/web.labels": b"team=shop\n",
            "app/conf/site.conf": b"server {}\n",
            "app/settings.ini": b"a = 1\n",
            "app/part/compose.yaml": _PART,
            "app/base/db.yaml": _BASE,
            "app/base/db.env": b"MODE=live\n",
        },
        edits={
            "app/compose.yaml": _MAIN.replace(b"none", b"1"),
            "app/web.env": b"COLOUR=blue\n",
            "app/web.labels": b"team=web\n",
            "app/part/compose.yaml": _PART.replace(b"-1", b"-2"),
            "app/base/db.yaml": _BASE.replace(b"image: postgres", b"image: mysql"),
            "app/base/db.env": b"MODE=test\n",
        },
        appearing={
            "app/.env": b"TAG=2\n",
            "app/compose.override.yaml": b"services: {web: {restart: always}}\n",
            "app/more.env": b"MORE=1\n",
            "app/part/.env": b"SIZE=9\n",
        },
        broken={
            "app/compose.yaml": _MAIN + b"services: {}\n",
            "app/part/compose.yaml": b"services: {part: {imge: x}}\n",
            "app/base/db.yaml": b"services: {postgres: {image: 1}}\n",
            "app/web.env": b"what is this\n",
            "app/compose.override.yaml": b"services: [\n",
        },
    )
