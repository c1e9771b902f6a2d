"""A job as EasyRec users run it: a pipeline.config, a DeepFM in Keras on real clicks, late labels, sampled negatives.

`python -m streamgauge.examples.easyrec --folder played` makes the job's `streamgauge.toml` from its `pipeline.config`,
lives through an hour of stream time, hands its log to the pipeline, and says what that found.
"""
