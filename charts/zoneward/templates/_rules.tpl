{{- /*
What the operator may do where RedisClusters are. Nothing is deleted but members and their volumes;
what else we own goes with its RedisCluster, by the garbage collector. Secrets can be made and read,
never changed: the ones that a spec names are the owner's.
*/}}
{{- define "zoneward.rules" -}}
- apiGroups: [zoneward.io]
  resources: [redisclusters]
  verbs: [get, list, watch]
- apiGroups: [zoneward.io]
  resources: [redisclusters/status]
  verbs: [get, update, patch]
# Owner references that block deletion need it where that is enforced (OpenShift).
- apiGroups: [zoneward.io]
  resources: [redisclusters/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods, persistentvolumeclaims]
  verbs: [create, delete, get, list, patch, watch]
# The readiness gate.
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps, services]
  verbs: [create, get, list, patch, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, get, list, patch, watch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- /* Hosts belong to no namespace: their zones, and whether they are there. */}}
{{- define "zoneward.hostRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
{{- end }}
