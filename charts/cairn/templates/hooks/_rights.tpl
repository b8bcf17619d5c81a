{{- /* What the pod before an uninstall may: stop the operator, and take finalizers off. Made before it, gone after it. */}}
{{- define "cairn.hooks.annotations" -}}
annotations:
  helm.sh/hook: pre-delete
  helm.sh/hook-weight: "-5"
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "cairn.hooks.rights" }}
{{- $name := printf "%s-hooks" (include "cairn.fullname" .) }}
{{- $subject := dict "kind" "ServiceAccount" "name" $name "namespace" .Release.Namespace }}
{{- $labels := include "cairn.component" (list . "uninstall") | fromYaml }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}-home
  namespace: {{ .Release.Namespace }}
  labels: {{- toYaml $labels | nindent 4 }}
  {{- include "cairn.hooks.annotations" . | nindent 2 }}
rules:
- {apiGroups: [apps], resources: [deployments/scale], resourceNames: {{ include "cairn.operators.names" . }}, verbs: [get, patch]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}-home
  namespace: {{ .Release.Namespace }}
  labels: {{- toYaml $labels | nindent 4 }}
  {{- include "cairn.hooks.annotations" . | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}-home}
subjects: {{- list $subject | toYaml | nindent 0 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "cairn.clusterName" . }}-hooks
  labels: {{- toYaml $labels | nindent 4 }}
  {{- include "cairn.hooks.annotations" . | nindent 2 }}
rules:
- {apiGroups: [cairn.dev], resources: [checkpoints], verbs: [list, patch]}
{{- $binding := dict "root" . "name" (printf "%s-hooks" (include "cairn.clusterName" .)) "labels" $labels "subject" $subject
  "annotations" (include "cairn.hooks.annotations" .) }}
{{- include "cairn.bindings" $binding }}
{{- end }}
