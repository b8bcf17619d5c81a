{{- /* What it speaks; the name of its port too, so that nobody takes plain HTTP for more. */}}
{{- define "cairn.api.scheme" -}}
{{- .Values.api.tls.secretName | empty | ternary "http" "https" }}
{{- end }}
