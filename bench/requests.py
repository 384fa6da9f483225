"""What an API server was asked between two moments, by verb, from its own counters."""

import re
from collections import Counter
from collections.abc import Iterable

from tests.testbed.kubernetes.cluster import Cluster

WATCHED = frozenset({"serviceaccounts", "services", "deployments", "ingresses", "configmaps", "namespaces"})
"""The kinds of the bench. What the cluster's own parts ask of others, leases and events above all, is left out of account."""

_LINE = re.compile(r"^apiserver_request_total\{([^}]*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def asked(cluster: Cluster) -> Counter[str]:
    """Requests so far by verb: server-side applies are `APPLY`, and `dry run` when nothing was to be written.

    Subresources are left out: they are the controllers'. The counters do not say who asked; among the kinds of the bench nobody but
    Trueup and kubectl applies, and of controllers there are a few watches that are renewed every some minutes.
    """
    counted: Counter[str] = Counter()
    text = str(cluster.request("GET", "/metrics")[1])
    for labels, number in _LINE.findall(text):
        said = dict(_LABEL.findall(labels))
        if said["resource"] in WATCHED and not said["subresource"]:
            counted["dry run" if said["dry_run"] else said["verb"]] += int(float(number))
    return counted


def since(before: Counter[str], after: Counter[str], verbs: Iterable[str]) -> int:
    """How many of these there were."""
    return sum(after[verb] - before[verb] for verb in verbs)


WRITES = ("APPLY", "POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION")
READS = ("GET", "LIST", "WATCH")


def told(before: Counter[str], after: Counter[str]) -> str:
    """All that moved, by verb."""
    return ", ".join(f"{after[verb] - before[verb]} {verb}" for verb in sorted(after) if after[verb] != before[verb]) or "none"
