{{- define "cairn.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* How the names of all objects begin: the release's name, which is enough where it contains the chart's. */}}
{{- define "cairn.fullname" -}}
{{- $name := include "cairn.name" . }}
{{- $default := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $default .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* What never changes while a release lives: selectors are made of it. */}}
{{- define "cairn.selector" -}}
app.kubernetes.io/name: {{ include "cairn.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cairn.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "cairn.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Labels of what belongs to one component: (list CONTEXT COMPONENT). */}}
{{- define "cairn.component" -}}
{{ include "cairn.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "cairn.componentSelector" -}}
{{ include "cairn.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* The components that operators are, as a list in JSON: the default one, and one for each shard. Each has a selector of
     its own: that of the default one must stay as it is, and would select the pods of shards if they had its component. */}}
{{- define "cairn.operators" -}}
{{- $components := list "operator" }}
{{- range .Values.operator.shards }}{{ $components = append $components (printf "operator-%s" .) }}{{ end }}
{{- toJson $components }}
{{- end }}

{{- /* Their Deployments, and their Leases, as a list in YAML. */}}
{{- define "cairn.operators.names" -}}
{{- $names := list }}
{{- $fullname := include "cairn.fullname" . }}
{{- range include "cairn.operators" . | fromJsonArray }}{{ $names = append $names (printf "%s-%s" $fullname .) }}{{ end }}
{{- printf "[%s]" (join ", " $names) }}
{{- end }}

{{- define "cairn.operator.account" -}}
{{- default (printf "%s-operator" (include "cairn.fullname" .)) .Values.operator.serviceAccount.name }}
{{- end }}

{{- define "cairn.api.account" -}}
{{- default (printf "%s-api" (include "cairn.fullname" .)) .Values.api.serviceAccount.name }}
{{- end }}

{{- /* A reference: (dict "image" IMAGE "tag" DEFAULT). A digest wins. */}}
{{- define "cairn.reference" -}}
{{- $image := .image }}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .tag $image.tag }}{{ end }}
{{- end }}

{{- define "cairn.image" -}}
image: {{ include "cairn.reference" (dict "image" .Values.image "tag" .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}
