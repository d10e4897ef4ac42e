"""How much began, ended and failed, over time."""

from goflow_py.api import answers
from goflow_py.api.bodies import StatsQuery
from goflow_py.api.op import Call, answer, op
from goflow_py.api.replies import Reply
from goflow_py.engine.statistics import StatsRequest
from goflow_py.errors import MalformedRequest


@op("GET", "/v1/stats", "execution:read", query=StatsQuery, answers={200: answers.Stats})
async def stats(call: Call) -> Reply:
    """Count what began and what ended among the newest executions, whole and by bucket."""
    query = call.query(StatsQuery)
    mine = call.caller.project
    project = query.project if mine is None or query.project is not None else mine
    if query.activity is not None and project is None:
        raise MalformedRequest("name the 'project' of the activity, too", code="bad_parameter")
    asked = StatsRequest(
        project=project,
        activity=query.activity,
        since=query.since,
        bucket_ms=None if query.bucket is None else round(query.bucket * 1_000),
    )
    foreign = mine is not None and project != mine
    return answer(await call.door.orchestrator.statistics.stats(asked, foreign=foreign))
