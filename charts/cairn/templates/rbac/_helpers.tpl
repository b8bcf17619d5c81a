{{- /*
How objects of the whole cluster are called. Two releases of one name in two namespaces would fight over them: such a
release needs a name of its own (Helm says so, by its ownership annotations), or a fullnameOverride.
*/}}
{{- define "cairn.clusterName" -}}
{{- include "cairn.fullname" . }}
{{- end }}

{{- /*
Binds a ClusterRole where Cairn serves: everywhere, or in each namespace of watch.namespaces.
(dict "root" CONTEXT "name" ROLE "subject" SUBJECT "labels" LABELS "annotations" TEXT)
*/}}
{{- define "cairn.bindings" }}
{{- $given := . }}
{{- $namespaces := .root.Values.watch.namespaces | default (list "") }}
{{- range $namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ empty . | ternary "ClusterRoleBinding" "RoleBinding" }}
metadata:
  name: {{ $given.name }}
  {{- with . }}
  namespace: {{ . }}
  {{- end }}
  labels: {{- toYaml $given.labels | nindent 4 }}
  {{- with $given.annotations }}
  {{- . | nindent 2 }}
  {{- end }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $given.name }}}
subjects: {{- list $given.subject | toYaml | nindent 0 }}
{{- end }}
{{- end }}

{{- /* A ClusterRoleBinding of a role that is needed everywhere, whatever is watched; the arguments are the same. */}}
{{- define "cairn.clusterBinding" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels: {{- toYaml .labels | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .name }}}
subjects: {{- list .subject | toYaml | nindent 0 }}
{{- end }}
