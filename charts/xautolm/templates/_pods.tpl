{{/* What every pod has of Pod Security's level "restricted". */}}
{{- define "xautolm.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.podSecurity.runAsUser }}
runAsUser: {{ . | int64 }}
{{- end }}
{{- with .Values.podSecurity.fsGroup }}
fsGroup: {{ . | int64 }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "xautolm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The head of a pod's spec. Takes root, account, and perhaps token (its account's) and links (Services as variables). */}}
{{- define "xautolm.podHead" -}}
serviceAccountName: {{ include "xautolm.fullname" .root }}-{{ .account }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: {{ .links | default false }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "xautolm.podSecurity" .root | nindent 2 }}
{{- end }}

{{/* What a container of ours has beside its command. Takes root, image, secret ("" for none) and resources. */}}
{{- define "xautolm.container" -}}
image: {{ include "xautolm.image" (dict "root" .root "image" .image) }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
env:
  - {name: HOME, value: /tmp}
  - {name: HF_HUB_DISABLE_TELEMETRY, value: "1"}
  {{- if .secret }}
  - {name: XAUTOLM_S3_CREDENTIALS_FILE, value: /var/run/xautolm/s3}
  {{- end }}
  {{- if .root.Values.s3.caBundle.configMap }}
  - {name: XAUTOLM_S3_CA_BUNDLE, value: {{ printf "/etc/xautolm/ca/%s" .root.Values.s3.caBundle.key }}}
  {{- end }}
  {{- range $name, $value := .env }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- include "xautolm.containerSecurity" . | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- if .secret }}
  - {name: s3-credentials, mountPath: /var/run/xautolm/s3, readOnly: true}
  {{- end }}
  {{- if .root.Values.s3.caBundle.configMap }}
  - {name: s3-authority, mountPath: /etc/xautolm/ca, readOnly: true}
  {{- end }}
{{- end }}

{{/* The volumes of such containers. Takes root, secret and perhaps size (of /tmp). */}}
{{- define "xautolm.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .size | default "1Gi" }}}
{{- if .secret }}
- name: s3-credentials
  secret: {secretName: {{ .secret }}, defaultMode: 288}
{{- end }}
{{- if .root.Values.s3.caBundle.configMap }}
- name: s3-authority
  configMap: {name: {{ .root.Values.s3.caBundle.configMap }}}
{{- end }}
{{- end }}
