"""The schema of a RayJob, as far as ours uses it: fields of KubeRay's API reference (ray.io/v1, KubeRay 1.5.1 to 1.7).

https://docs.ray.io/en/master/kuberay/references/api.html. Pods are for `kubernetes_validate`.
"""

from typing import Any


def _exactly(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


TEXT, COUNT, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
PARAMETERS = {"type": "object", "additionalProperties": TEXT}  # a number among them is refused: all are text
POD = _exactly(["spec"], metadata={"type": "object"}, spec={"type": "object"})
CLUSTER = _exactly(
    ["headGroupSpec"],
    rayVersion=TEXT,
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions={"type": "object"},
    authOptions=_exactly([], mode={"enum": ["disabled", "token"]}, secretName=TEXT),
    headGroupSpec=_exactly(["template"], rayStartParams=PARAMETERS, template=POD, serviceType=TEXT, enableIngress=FLAG),
    workerGroupSpecs={
        "type": "array",
        "items": _exactly(
            ["groupName", "template"],
            groupName=TEXT,
            replicas=COUNT,
            minReplicas=COUNT,
            maxReplicas=COUNT,
            numOfHosts=COUNT,
            idleTimeoutSeconds=COUNT,
            suspend=FLAG,
            rayStartParams=PARAMETERS,
            template=POD,
        ),
    },
)
RAY_JOB = _exactly(
    ["apiVersion", "kind", "metadata", "spec"],
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata={"type": "object", "required": ["name"]},
    spec=_exactly(
        ["entrypoint", "rayClusterSpec"],
        entrypoint=TEXT,
        runtimeEnvYAML=TEXT,
        jobId=TEXT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
        backoffLimit=COUNT,
        activeDeadlineSeconds=COUNT,
        shutdownAfterJobFinishes=FLAG,
        ttlSecondsAfterFinished=COUNT,
        suspend=FLAG,
        rayClusterSpec=CLUSTER,
    ),
)
