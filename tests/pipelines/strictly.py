"""``python -m tests.pipelines.strictly FILE...``: whether the types of this kfp know all of a file.

A backend reads a pipeline into the types of its version, and refuses fields that it does not know.
"""

import sys

import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2


def main(*files: str) -> None:
    for file in files:
        with open(file) as stream:  # noqa: PTH123 - runs without the project's own helpers
            spec, platform = yaml.safe_load_all(stream)
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for one in executors.values():
            json_format.ParseDict(one, kubernetes_executor_config_pb2.KubernetesExecutorConfig())


if __name__ == "__main__":
    main(*sys.argv[1:])
