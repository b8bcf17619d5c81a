{{- /*
How a component reaches the database: its own URL, from one key of a Secret, as a file. A file is renewed when the Secret
changes; a variable is not, and shows wherever the environment is written down.
*/}}
{{- define "cairn.database.enabled" -}}
{{- if ne .Values.database.mode "none" }}true{{ end }}
{{- end }}

{{- define "cairn.database.secret" -}}
{{- if eq .Values.database.mode "external" -}}
{{ required "database.external.secretName: name the Secret with the database's URLs" .Values.database.external.secretName }}
{{- else -}}
{{ default (printf "%s-database" (include "cairn.fullname" .)) .Values.database.bundled.existingSecret }}
{{- end }}
{{- end }}

{{- /* Mode `external` with TLS that the server's certificate is checked for, by a list of our own. */}}
{{- define "cairn.database.ca" -}}
{{- with .Values.database.external.ca }}{{ if or .secretName .configMapName }}true{{ end }}{{ end }}
{{- end }}

{{- define "cairn.database.env" -}}
{{- if include "cairn.database.enabled" . }}
- {name: DATABASE_URL_FILE, value: /etc/cairn/database/url}
{{- if eq .Values.database.mode "external" }}
{{- with .Values.database.external.sslMode }}
- {name: PGSSLMODE, value: {{ . }}}
{{- end }}
{{- if include "cairn.database.ca" . }}
- {name: PGSSLROOTCERT, value: /etc/cairn/database-ca/ca.crt}
{{- else if hasPrefix "verify-" .Values.database.external.sslMode }}
{{- /* Not `system`: the library that comes with Python's driver looks elsewhere than the image keeps its list. */}}
- {name: PGSSLROOTCERT, value: /etc/ssl/certs/ca-certificates.crt}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "cairn.database.mounts" -}}
{{- if include "cairn.database.enabled" . }}
- {name: database, mountPath: /etc/cairn/database, readOnly: true}
{{- if and (eq .Values.database.mode "external") (include "cairn.database.ca" .) }}
- {name: database-ca, mountPath: /etc/cairn/database-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- /* (list CONTEXT ROLE), where ROLE is operator, api or migrate. */}}
{{- define "cairn.database.volumes" -}}
{{- $ := index . 0 }}
{{- $role := index . 1 }}
{{- if include "cairn.database.enabled" $ }}
{{- $external := eq $.Values.database.mode "external" }}
{{- $key := $external | ternary (index $.Values.database.external.keys $role) (printf "%s-url" $role) }}
- name: database
  secret:
    secretName: {{ include "cairn.database.secret" $ }}
    defaultMode: 0440
    items:
    - {key: {{ $key }}, path: url}
{{- if and $external (include "cairn.database.ca" $) }}
{{- with $.Values.database.external.ca }}
- name: database-ca
  {{- if .secretName }}
  secret:
    secretName: {{ .secretName }}
    items:
    - {key: {{ .key }}, path: ca.crt}
  {{- else }}
  configMap:
    name: {{ .configMapName }}
    items:
    - {key: {{ .key }}, path: ca.crt}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
