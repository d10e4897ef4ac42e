"""Doing: what decided steps ask for, carried out. *Load, step, record, do.*

``orchestrator``  the use cases behind every door: upload, start, send, control, look
``catalog``       blueprint versions, workers and endpoint aliases, compiled and cached
``owner``         the executions of this node: one step at a time each, committed, then done
``batcher``       group commit: what waits while one commit runs is the next one
``dispatcher``    a due task becomes attempts over prioritised workers
``attempts``      how attempts open and close, as pure changes of a draft
``calls``         the request that a worker receives
``verdict``       what a worker's reply means
``backoff``       how long until the next attempt
``breaker``       which endpoints are known to be down
``timers``        the next minute's wake-ups
``views``         executions as users see them
"""
