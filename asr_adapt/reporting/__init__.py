"""Turn decoded runs into something to send to a colleague.

`build.build_report` reads run directories (`run.json`, manifests, hypotheses), scores them with
`asr_adapt.scoring.score` and writes `report.json`, `report.md`, `report.html` and `errors.txt`.
Nothing in here loads torch: a report can be made again anywhere from the hypotheses.
"""
