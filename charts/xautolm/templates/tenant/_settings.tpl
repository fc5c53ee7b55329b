{{/* What trial pods get, as `xautolm search --launcher-settings` reads it. Takes root and tenant. */}}
{{- define "xautolm.trialSettings" -}}
{{- $root := .root -}}
{{- $search := $root.Values.search -}}
{{- $environment := deepCopy $search.environment -}}
{{- if include "xautolm.hub-off" $root -}}{{- $_ := set $environment "HF_HUB_OFFLINE" "1" -}}{{- end -}}
{{- $template := deepCopy $search.podTemplate -}}
{{- with $root.Values.s3.caBundle -}}
{{- if .configMap -}}
{{- $_ := set $environment "XAUTOLM_S3_CA_BUNDLE" (printf "/etc/xautolm/ca/%s" .key) -}}
{{- $mounts := dict "name" "trial" "volumeMounts" (list (dict "name" "s3-authority" "mountPath" "/etc/xautolm/ca" "readOnly" true)) -}}
{{- $volumes := list (dict "name" "s3-authority" "configMap" (dict "name" .configMap)) -}}
{{- if $template.spec -}}{{- fail "search.podTemplate: with s3.caBundle give labels and annotations alone, or mount the authority in podTemplate yourself" -}}{{- end -}}
{{- $template = merge $template (dict "spec" (dict "containers" (list $mounts) "volumes" $volumes)) -}}
{{- end -}}
{{- end -}}
{{- $settings := dict
  "image" (include "xautolm.image" (dict "root" $root "image" $root.Values.images.trial))
  "image_pull_policy" $root.Values.images.pullPolicy
  "require_image_digest" $search.requireImageDigest
  "service_account" (printf "%s-trial" (include "xautolm.fullname" $root))
  "resources" $search.resources
-}}
{{- with $root.Values.images.pullSecrets -}}{{- $_ := set $settings "image_pull_secrets" . -}}{{- end -}}
{{- with $search.nodeSelector -}}{{- $_ := set $settings "node_selector" . -}}{{- end -}}
{{- with $search.tolerations -}}{{- $_ := set $settings "tolerations" . -}}{{- end -}}
{{- with $search.cpuPlacement -}}{{- $_ := set $settings "cpu_placement" . -}}{{- end -}}
{{- with $environment -}}{{- $_ := set $settings "environment" . -}}{{- end -}}
{{- with $search.modelCacheClaim -}}{{- $_ := set $settings "model_cache_claim" . -}}{{- end -}}
{{- with $template -}}{{- $_ := set $settings "pod_template" . -}}{{- end -}}
{{- with .tenant.trialSecret -}}{{- $_ := set $settings "s3_secret" . -}}{{- end -}}
{{- with $root.Values.podSecurity.runAsUser -}}{{- $_ := set $settings "run_as_user" (int64 .) -}}{{- end -}}
{{- with $root.Values.podSecurity.fsGroup -}}{{- $_ := set $settings "fs_group" (int64 .) -}}{{- end -}}
{{- if .tenant.queue.name -}}
{{- $queue := dict "name" .tenant.queue.name -}}
{{- with .tenant.queue.priorityClass -}}{{- $_ := set $queue "priority_class" . -}}{{- end -}}
{{- $_ := set $settings "queue" $queue -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end }}

{{/* Parameters that all pipelines of a tenant share. Takes root and tenant. */}}
{{- define "xautolm.pipelineParameters" -}}
store: {{ include "xautolm.address" (dict "root" .root "tenant" .tenant "what" "experiences") }}
workspace: {{ include "xautolm.address" (dict "root" .root "tenant" .tenant "what" "searches") }}
registry: {{ include "xautolm.address" (dict "root" .root "tenant" .tenant "what" "models") }}
tenant: {{ .tenant.name }}
s3_secret: {{ .tenant.secret }}
trial_image: {{ include "xautolm.image" (dict "root" .root "image" .root.Values.images.trial) }}
cluster: |
  {{- omit (include "xautolm.trialSettings" . | fromYaml) "image" | toYaml | nindent 2 }}
{{- end }}
