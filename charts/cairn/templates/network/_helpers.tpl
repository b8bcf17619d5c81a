{{- /* Parts of the policies; each is a list of what may be reached, or be reached by. */}}
{{- define "cairn.network.dns" -}}
- ports:
  - {port: 53, protocol: UDP}
  - {port: 53, protocol: TCP}
{{- end }}

{{- /* Networks, as blocks of addresses; none: anywhere. */}}
{{- define "cairn.network.cidrs" -}}
{{- with . }}
  to:
  {{- range . }}
  - ipBlock: {cidr: {{ . }}}
  {{- end }}
{{- end }}
{{- end }}

{{- define "cairn.network.apiServer" -}}
{{- with .Values.networkPolicy.apiServer }}
- ports:
  {{- range .ports }}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
  {{- include "cairn.network.cidrs" .cidrs }}
{{- end }}
{{- end }}

{{- define "cairn.network.database" -}}
{{- if eq .Values.database.mode "bundled" }}
- ports:
  - {port: 5432, protocol: TCP}
  to:
  - podSelector:
      matchLabels: {{- include "cairn.componentSelector" (list . "database") | nindent 8 }}
{{- else if eq .Values.database.mode "external" }}
{{- with .Values.networkPolicy.database }}
- ports:
  - {port: {{ .port }}, protocol: TCP}
  {{- include "cairn.network.cidrs" .cidrs }}
{{- end }}
{{- end }}
{{- end }}

{{- /* One policy: (dict "root" CONTEXT "component" NAME "ingress" TEXT "egress" TEXT). */}}
{{- define "cairn.network.policy" }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "cairn.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "cairn.component" (list .root .component) | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "cairn.componentSelector" (list .root .component) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- with .ingress | trim }}
  ingress: {{- . | nindent 2 }}
  {{- end }}
  {{- with .egress | trim }}
  egress: {{- . | nindent 2 }}
  {{- end }}
{{- end }}
