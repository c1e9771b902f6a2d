"""Changes that compile a step anew: where they are unsafe, where they stall, and where they begin."""

from __future__ import annotations

from streamgauge.tracer import control
from streamgauge.tracer.selection import Select
from tests.tracer.frameworks.job import Job

METRICS = Select(collection="metrics", every=1)
SELECT = [Select(collection="weights", emit="raw", every=1)]


def job_of(*, rebuilds: bool = True, first_build: float = 1.0, has_collectives: bool = False) -> Job:
    job = Job(METRICS)
    traits = job.tracer.tensors.traits
    traits.rebuilds = lambda now, then: rebuilds
    traits.first_build, traits.has_collectives = first_build, has_collectives
    step(job, 5)
    return job


def step(job: Job, count: int) -> None:
    for _ in range(count):
        job.tracer.tensors.raw("weights", "dense", [1.0, 2.0])
        job.tracer.step(loss=0.5)
        job.now += 1.0
        job.tracer.beat()


def ask(job: Job, **options: int | bool) -> control.PlanState:
    revision = control.next_revision("ctr", "debug", job.log.latest("control"), job.log.latest("status"))
    made = control.plan("ctr", "debug", revision, issued=0.0, select=SELECT, **options)  # type: ignore[arg-type]
    job.log.send([("control", "ctr/debug", made)])
    job.tracer.beat()
    return state(job)


def state(job: Job) -> control.PlanState:
    job.tracer.beat()
    return control.decode_status(job.log.latest("status")["ctr/w"]).plans[-1]


def test_a_job_with_collectives_takes_a_rebuild_only_at_one_step_of_all_ranks() -> None:
    job = job_of(has_collectives=True)
    refused = ask(job)
    assert refused.state == "rejected"
    assert refused.reason.startswith("unsafe_collective: ")
    waiting = ask(job, min_step=9)
    assert (waiting.state, waiting.reason) == ("pending", "it begins at step 9")
    step(job, 2)  # 6, 7
    assert (state(job).state, job.raw_names()) == ("pending", [])
    step(job, 3)
    assert (state(job).state, state(job).reason) == ("applied", "")
    assert [one.step for one in job.arrays()] == [9, 10]


def test_a_step_that_is_over_cannot_be_waited_for_where_ranks_must_agree() -> None:
    assert "min_step 3 is over: this worker has done 5 steps" in ask(job_of(has_collectives=True), min_step=3).reason
    assert ask(job_of(), min_step=3).state == "applied"


def test_a_rebuild_that_would_stall_the_job_is_refused_unless_that_is_allowed() -> None:
    job = job_of(first_build=40.0)
    refused = ask(job)
    assert refused.state == "rejected"
    assert refused.reason.startswith("stall: the step is compiled anew, the job's own first one took 40 s")
    assert ask(job, allow_stall=True).state == "applied"


def test_a_change_that_compiles_nothing_is_taken_at_once_everywhere() -> None:
    assert ask(job_of(rebuilds=False, first_build=40.0, has_collectives=True)).state == "applied"


def test_off_is_never_refused() -> None:
    job = job_of(first_build=40.0, has_collectives=True)
    job.log.send([("control", "ctr/stop", control.plan("ctr", "stop", 1, issued=0.0, off=True))])
    job.tracer.beat()
    assert job.tracer.selection.off
