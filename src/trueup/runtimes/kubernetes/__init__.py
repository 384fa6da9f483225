"""The Kubernetes runtime: a namespace-wide or cluster-wide target, reached through its API server and nothing else.

A plan is the server's own dry run of a server-side apply, compared with what is live; ownership is an ApplySet that kubectl can read.
"""

from trueup.runtimes.kubernetes.kind import KubernetesKind, kubernetes

__all__ = ["KubernetesKind", "kubernetes"]
