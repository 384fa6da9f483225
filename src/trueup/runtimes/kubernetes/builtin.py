"""What is known of the kinds that every cluster has, without asking one."""

from typing import Final

from trueup.model.manifest import Body

CLUSTER_WIDE: Final = frozenset(
    {
        *(("", kind) for kind in ("Namespace", "Node", "PersistentVolume", "ComponentStatus")),
        *(
            ("admissionregistration.k8s.io", kind)
            for kind in (
                "MutatingAdmissionPolicy",
                "MutatingAdmissionPolicyBinding",
                "MutatingWebhookConfiguration",
                "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding",
                "ValidatingWebhookConfiguration",
            )
        ),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        *(("authentication.k8s.io", kind) for kind in ("SelfSubjectReview", "TokenReview")),
        *(("authorization.k8s.io", kind) for kind in ("SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview")),
        *(("certificates.k8s.io", kind) for kind in ("CertificateSigningRequest", "ClusterTrustBundle")),
        *(("flowcontrol.apiserver.k8s.io", kind) for kind in ("FlowSchema", "PriorityLevelConfiguration")),
        ("internal.apiserver.k8s.io", "StorageVersion"),
        *(("networking.k8s.io", kind) for kind in ("IngressClass", "IPAddress", "ServiceCIDR")),
        ("node.k8s.io", "RuntimeClass"),
        ("policy", "PodSecurityPolicy"),
        *(("rbac.authorization.k8s.io", kind) for kind in ("ClusterRole", "ClusterRoleBinding")),
        *(("resource.k8s.io", kind) for kind in ("DeviceClass", "ResourceSlice")),
        ("scheduling.k8s.io", "PriorityClass"),
        *(("storage.k8s.io", kind) for kind in ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass")),
        ("storagemigration.k8s.io", "StorageVersionMigration"),
    }
)
"""(group, kind) of the built-in kinds that live in no namespace."""


def group_of(body: Body) -> str:
    """The API group of an object; empty for the core group."""
    return str(body.get("apiVersion", "")).rpartition("/")[0]


def is_cluster_wide(body: Body) -> bool:
    """Whether an object is of a built-in kind that lives in no namespace."""
    return (group_of(body), str(body.get("kind"))) in CLUSTER_WIDE
