{{/* Objects of a file, of the release's namespace and with the chart's label. Arguments: root, file, annotations (optional). */}}
{{- define "asb.objects" -}}
{{- $root := .root }}
{{- range $part := splitList "\n---\n" (printf "\n%s" ($root.Files.Get (printf "files/%s" .file))) }}
{{- $object := fromYaml $part }}
{{- if $object.Error }}{{ fail (printf "%s: %s" $.file $object.Error) }}{{ end }}
{{- /* In JSON, where a namespace called 1 or on stays a text. */}}
{{- $object = toJson $object | replace "azure-secret-binding-system" $root.Release.Namespace | fromJson }}
{{- $labels := merge (dict "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version)) ($object.metadata.labels | default dict) }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- if $.annotations }}
{{- $_ := set $object.metadata "annotations" (merge (deepCopy $.annotations) ($object.metadata.annotations | default dict)) }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}

{{- define "asb.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "asb.labels" -}}
app.kubernetes.io/part-of: azure-secret-binding
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
