"""Which feature earns its place: experiments against a real model, given as a callable that predicts; numpy only.

`masking`: BenchMask (all masks in one pass of predictions) and permutation. `droprank`: keep probabilities learnt
beside the main training. `influence`: gradients. `relevance`: what a feature's own value ranks. `experiment`: all of
them, one table. Randomness is an argument everywhere.
"""
