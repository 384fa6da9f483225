"""The health of Kubernetes objects, as pure functions.

``health_of`` judges one object; ``Rules`` are the rules of custom kinds (``HealthRule`` is how a Target declares one, ``scripts_in`` reads
Argo CD's); ``reason_of`` finds in a workload's Pods and Events why it is not healthy, ``ended_in`` whose log may say more; ``objects_in``
and ``rules_in`` read files.
"""

from trueup.runtimes.kubernetes.health.judge import health_of
from trueup.runtimes.kubernetes.health.reading import objects_in, rules_in
from trueup.runtimes.kubernetes.health.reason import Ended, ended_in, reason_of
from trueup.runtimes.kubernetes.health.rule import HealthRule
from trueup.runtimes.kubernetes.health.rules import BUILT_IN, Rules, scripts_in
from trueup.runtimes.kubernetes.health.seen import line

__all__ = ["BUILT_IN", "Ended", "HealthRule", "Rules", "ended_in", "health_of", "line", "objects_in", "reason_of", "rules_in", "scripts_in"]
