{{- define "xautolm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 30 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What a selector may use: it never changes. Takes root and component. */}}
{{- define "xautolm.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "xautolm.labels" -}}
{{ include "xautolm.selectorLabels" . }}
app.kubernetes.io/part-of: xautolm
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .tenant }}
xautolm.io/tenant: {{ .name }}
{{- end }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* metadata of an object. Takes root, component, and perhaps tenant, suffix, namespace. */}}
{{- define "xautolm.metadata" -}}
name: {{ include "xautolm.fullname" .root }}-{{ default .component .suffix }}
namespace: {{ if .tenant }}{{ .tenant.namespace }}{{ else }}{{ .root.Release.Namespace }}{{ end }}
labels:
  {{- include "xautolm.labels" . | nindent 2 }}
{{- end }}

{{/* The reference of an image. Takes root and image. */}}
{{- define "xautolm.image" -}}
{{- $name := .image.repository -}}
{{- if .image.registry -}}{{- $name = printf "%s/%s" .image.registry .image.repository -}}{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion .image.tag) -}}
{{- end -}}
{{- end }}

{{/* Whether objects of an optional kind are made. Takes root, wanted (auto, true, false) and kind (group/version). */}}
{{- define "xautolm.wanted" -}}
{{- $wanted := toString .wanted -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.root.Capabilities.APIVersions.Has .kind)) -}}yes{{- end -}}
{{- end }}

{{/* All tenants, complete, as {"tenants": [...]} in JSON. */}}
{{- define "xautolm.tenants" -}}
{{- $root := . -}}
{{- $given := .Values.tenants | default (list (dict "name" "default" "namespace" .Release.Namespace)) -}}
{{- $found := list -}}
{{- $names := list -}}
{{- $namespaces := list -}}
{{- range $given -}}
{{- $namespace := default .name .namespace -}}
{{- if has .name $names -}}{{- fail (printf "tenants: %s is there twice" .name) -}}{{- end -}}
{{- if has $namespace $namespaces -}}{{- fail (printf "tenants: %s: the namespace %s is another tenant's" .name $namespace) -}}{{- end -}}
{{- $names = append $names .name -}}
{{- $namespaces = append $namespaces $namespace -}}
{{- $prefix := default $root.Values.s3.prefix .prefix | replace "{namespace}" $namespace | replace "{tenant}" .name -}}
{{- $secret := $root.Values.s3.secret -}}{{- if hasKey . "secret" -}}{{- $secret = .secret -}}{{- end -}}
{{- $trialSecret := default (default $secret $root.Values.s3.trialSecret) .trialSecret -}}
{{- $tenant := dict
  "name" .name
  "namespace" $namespace
  "prefix" $prefix
  "secret" $secret
  "trialSecret" $trialSecret
  "upkeepSecret" (default $secret $root.Values.compaction.secret)
  "searchAccounts" (default $root.Values.rbac.searchAccounts .searchAccounts)
  "queue" (default $root.Values.search.queue .queue)
  "quota" (default $root.Values.quota .quota)
  "limitRange" (default $root.Values.limitRange .limitRange)
  "retraining" (default $root.Values.retraining.schedules .retraining)
-}}
{{- range $other := $found -}}
{{- if or (hasPrefix (printf "%s/" $other.prefix) (printf "%s/" $prefix)) (hasPrefix (printf "%s/" $prefix) (printf "%s/" $other.prefix)) -}}
{{- fail (printf "tenants: %s and %s: one's prefix (%s) holds the other's (%s); give each its own" $other.name $tenant.name $other.prefix $prefix) -}}
{{- end -}}
{{- end -}}
{{- $found = append $found $tenant -}}
{{- end -}}
{{- dict "tenants" $found | toJson -}}
{{- end }}

{{- define "xautolm.endpoint" -}}
{{- if .Values.s3Server.enabled -}}
{{- printf "http://%s-s3-server.%s:9000" (include "xautolm.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.s3.endpoint -}}
{{- end -}}
{{- end }}

{{/* Address of something of a tenant's. Takes root, tenant and what (experiences, searches, models). */}}
{{- define "xautolm.address" -}}
{{- $settings := list -}}
{{- with include "xautolm.endpoint" .root -}}{{- $settings = append $settings (printf "endpoint=%s" .) -}}{{- end -}}
{{- with .root.Values.s3.region -}}{{- $settings = append $settings (printf "region=%s" .) -}}{{- end -}}
{{- printf "s3://%s/%s/%s" .root.Values.s3.bucket .tenant.prefix .what -}}
{{- if $settings -}}?{{- join "&" $settings -}}{{- end -}}
{{- end }}

{{- define "xautolm.hub-off" -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.modelHub.enabled) -}}yes{{- end -}}
{{- end }}
