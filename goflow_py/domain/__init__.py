"""The words of goflow as values: pure, no I/O.

blueprint
    A finite state machine ``current x event -> action, next``, uploaded as JSON, in versions.
execution
    One run of a blueprint version.
state, event, transition
    Where an execution is; what can happen to it; one row of the table, taken.
action, worker
    What work a state does; an HTTP endpoint that does it, with a priority.
task, attempt
    A due action of one visit of a state; one call to one worker.
timer
    An event promised for later.
history
    What happened to an execution, entry by entry, for ever in order.

``activity`` is the user's word for the process that a blueprint defines; never a worker call.
"""
