{{- /* Whether executions may start from checkpoints of other namespaces: never without the policy that asks for rights. */}}
{{- define "cairn.policies.forks" -}}
{{- if and .Values.policies.forkAcrossNamespaces (not .Values.policies.enabled) }}
{{- fail "policies.forkAcrossNamespaces: needs policies.enabled, or everybody could read checkpoints of all namespaces" }}
{{- end }}
{{- .Values.policies.forkAcrossNamespaces }}
{{- end }}
