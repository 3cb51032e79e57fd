"""What t/045_metrics.pl needs of Python: the parser that Prometheus's own
client library has for OpenMetrics text, and one for YAML.

metrics < TEXT     a line for each family and sample, or the parser's error
queries < YAML     a JSON array of [name, query, [column, ...]]
"""
import json
import sys

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def metrics(text):
    for family in text_string_to_metric_families(text):
        print("family", family.name, family.type, family.unit or "-")
        for sample in family.samples:
            print("sample", sample.name, json.dumps(sample.labels, sort_keys=True), float(sample.value))


def queries(text):
    print(json.dumps([
        [name, entry["query"], [column for metric in entry["metrics"] for column in metric]]
        for name, entry in yaml.safe_load(text).items()]))


{"metrics": metrics, "queries": queries}[sys.argv[1]](sys.stdin.read())
