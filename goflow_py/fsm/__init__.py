"""Deciding: pure functions over a compiled blueprint and one execution. No I/O, no clock.

``compile``  a blueprint becomes rows, states and one shared machine, cached by version
``machine``  the ``transitions`` library, behind one function: which row fires
``check``    what an upload proves: all findings at once
``fold``     the only code that changes an execution, entry by entry
``draft``    a step in the making: a private copy and the entries that led to it
``step``     the formula: ``current x event -> action, next``, one event fully digested
``controls`` the operators' verbs
"""
