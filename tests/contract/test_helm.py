"""The helm renderer keeps the promises of a renderer, with the real program."""

import pytest

from tests.components import missing
from tests.testbed.golang import Missing
from tests.testbed.programs import helm as program
from trueup.renderers.helm import Helm
from trueup.testing import RendererContract, Sample

_CHART = b"apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- name: cache\n  version: 1.0.0\n"
_TEMPLATE = b"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-{{ .Values.name }}
data:
  size: {{ .Values.size | quote }}
  port: {{ .Values.port | quote }}
  colours: {{ .Files.Get "colours.txt" | quote }}
"""
_SUBTEMPLATE = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cache}\n"


class TestHelm(RendererContract):
    """A chart with a vendored dependency and a value file that lies elsewhere in the repository."""

    @pytest.fixture(autouse=True)
    def _sampled(self) -> None:
        try:
            kind = Helm(str(program()))
        except Missing as error:
            missing(str(error))
        self.sample = Sample(
            kind=kind,
            options={"valueFiles": ["../production.yaml"], "values": {"port": 80}},
            files={
                "app/Chart.yaml": _CHART,
                "app/values.yaml": b"name: web\nsize: 1\n",
                "app/colours.txt": b"red\n",
                "app/templates/web.yaml": _TEMPLATE,
                "app/charts/cache/Chart.yaml": b"apiVersion: v2\nname: cache\nversion: 1.0.0\n",
                "app/charts/cache/templates/cache.yaml": _SUBTEMPLATE,
                "production.yaml": b"size: 2\n",
            },
            edits={
                "app/values.yaml": b"name: shop\nsize: 1\n",
                "app/colours.txt": b"blue\n",
                "app/templates/web.yaml": _TEMPLATE.replace(b"port:", b"door:"),
                "app/charts/cache/templates/cache.yaml": _SUBTEMPLATE.replace(b"cache", b"store"),
                "production.yaml": b"size: 3\n",
            },
            appearing={"app/templates/more.yaml": _SUBTEMPLATE.replace(b"cache", b"more")},
            broken={
                "app/Chart.yaml": _CHART.replace(b"cache", b"elsewhere"),
                "app/values.yaml": b"name: [\n",
                "app/templates/web.yaml": _TEMPLATE + b"{{ if }}\n",
                "app/charts/cache/templates/cache.yaml": _SUBTEMPLATE + b"a: [\n",
                "production.yaml": b"a: [\n",
            },
        )
