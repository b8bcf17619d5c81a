{{- /* Users that the policies know, as the API server calls them. */}}
{{- define "cairn.policies.operator" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "cairn.operator.account" . }}
{{- end }}

{{- define "cairn.policies.api" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "cairn.api.account" . }}
{{- end }}

{{- /* The accounts that write for others, as a list in CEL: an API that is not installed has none. */}}
{{- define "cairn.policies.ours" -}}
[{{ include "cairn.policies.operator" . | squote }}{{ if .Values.api.enabled }}, {{ include "cairn.policies.api" . | squote }}{{ end }}]
{{- end }}

{{- /* The binding of a policy; where only some namespaces are watched, only these are under it: another Cairn may serve
     the others. Takes (list NAME ROOT). */}}
{{- define "cairn.policies.binding" -}}
{{- $name := index . 0 }}{{ $root := index . 1 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels: {{- include "cairn.labels" $root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
  {{- with $root.Values.watch.namespaces }}
  matchResources:
    namespaceSelector:
      matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
  {{- end }}
{{- end }}
