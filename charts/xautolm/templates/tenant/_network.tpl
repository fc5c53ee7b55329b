{{/* One egress rule. Takes to and ports, and perhaps dns. */}}
{{- define "xautolm.egress" -}}
{{- $dns := .dns -}}
- {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range .ports }}
    {{- if $dns }}
    - {port: {{ int . }}, protocol: UDP}
    {{- end }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{- define "xautolm.egressDns" -}}
{{- include "xautolm.egress" (dict "to" .Values.networkPolicy.dns.to "ports" .Values.networkPolicy.dns.ports "dns" true) -}}
{{- end }}

{{- define "xautolm.egressS3" -}}
{{- if .Values.s3Server.enabled -}}
{{- $labels := include "xautolm.selectorLabels" (dict "root" . "component" "s3-server") | fromYaml -}}
{{- $peer := dict "namespaceSelector" (dict "matchLabels" (dict "kubernetes.io/metadata.name" .Release.Namespace)) "podSelector" (dict "matchLabels" $labels) -}}
{{- include "xautolm.egress" (dict "to" (list $peer) "ports" (list 9000)) -}}
{{- else -}}
{{- include "xautolm.egress" .Values.networkPolicy.s3 -}}
{{- end -}}
{{- end }}

{{- define "xautolm.egressHub" -}}
{{- if .Values.networkPolicy.modelHub.enabled -}}
{{- include "xautolm.egress" (pick .Values.networkPolicy.modelHub "to" "ports") -}}
{{- end -}}
{{- end }}
