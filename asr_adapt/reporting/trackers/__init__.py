"""Reports in trackers of experiments: TensorBoard, Weights & Biases, MLflow.

`logged.collect` makes of a report what all of them get: tables, figures and sounds. Each module
beside it hands that to one tracker, and `log.log_report` to those that were asked for. Their
packages are loaded by then only. Refuses trackers that are unknown or not installed.
"""
