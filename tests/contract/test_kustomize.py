"""The kustomize renderer keeps the promises of a renderer, with the real program."""

from typing import ClassVar

import pytest

from tests.components import missing
from tests.testbed.golang import Missing
from tests.testbed.programs import kustomize as program
from trueup.renderers.kustomize import Kustomize
from trueup.testing import RendererContract, Sample

_SERVICE = b"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports: [{port: 80}]\n"
_PATCH = b"apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  type: NodePort\n"
_OVERLAY = b"""\
resources:
- ../base
components: [../component]
namePrefix: shop-
patches:
- path: patch.yaml
configMapGenerator:
- name: settings
  files: [colours=colours.txt]
  envs: [settings.env]
secretGenerator:
- name: keys
  literals: [token=open-sesame]
"""
_COMPONENT = b"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {team: shop}}]\n"
_FILES = {
    "app/kustomization.yaml": _OVERLAY,
    "app/patch.yaml": _PATCH,
    "app/colours.txt": b"red\n",
    "app/settings.env": b"SIZE=1\n",
    "app/README.md": b"# shop\n",
    "app/extra.yaml": _PATCH.replace(b"NodePort", b"LoadBalancer"),
    "base/kustomization.yml": b"resources: [web.yaml]\n",
    "base/web.yaml": _SERVICE,
    "component/kustomization.yaml": _COMPONENT,
}


class TestKustomize(RendererContract):
    """An overlay over a base that lies elsewhere in the repository, with a component, a patch and generators."""

    options: ClassVar[dict[str, object]] = {}

    @pytest.fixture(autouse=True)
    def _sampled(self) -> None:
        try:
            kind = Kustomize(str(program()))
        except Missing as error:
            missing(str(error))
        self.sample = Sample(
            kind=kind,
            files=_FILES,
            options=self.options,
            edits={
                "base/web.yaml": _SERVICE.replace(b"80", b"81"),
                "component/kustomization.yaml": _COMPONENT.replace(b"shop", b"till"),
                "app/kustomization.yaml": _OVERLAY.replace(b"shop-", b"till-"),
                "app/colours.txt": b"blue\n",
                "app/settings.env": b"SIZE=2\n",
            },
            appearing={},
            broken={
                "base/web.yaml": _SERVICE + b"spec: [\n",
                "app/kustomization.yaml": _OVERLAY.replace(b"../base", b"../elsewhere"),
                "app/patch.yaml": b"a: [\n",
            },
        )


class TestKustomizeWithOptions(TestKustomize):
    """The options of an application, written over its kustomization."""

    options: ClassVar[dict[str, object]] = {
        "namespace": "shop",
        "labels": {"tier": "front"},
        "patches": [{"path": "extra.yaml", "target": {"kind": "Service"}}],
        "images": [{"name": "web", "newTag": "2"}],
    }
