"""The language inside blueprints: paths, expressions and templates. Pure, no I/O, all bounded.

``parse_path``
    ``$.input.age``, ``$['a-b'].output[0]``, ``$1.output``: where a value is, and nothing more.
``compile_expression``
    JSONata: ``input.amount > 100 and risk.output.level = 'low'``. The common part is compiled to
    closures; the rest is run by jsonata-python within steps, sizes and depth.
``compile_template``
    JSON whose texts name values: ``"$.input.age"``, ``"${ amount * 2 }"``, ``"Dear {$.input.n}"``.
``resolve_secrets``, ``secret_names``
    Open the sealed texts that templates with secrets render to (see ``secrets``).

``MISSING`` is the value that is not there; null is ``None``. What cannot be read raises
``ExpressionSyntaxError``, what cannot be evaluated ``goflow_py.errors.ExpressionFailed``.
"""

from goflow_py.expression.errors import ExpressionSyntaxError
from goflow_py.expression.expressions import Expression, compile_expression
from goflow_py.expression.paths import Path, parse_path
from goflow_py.expression.secrets import resolve_secrets, secret_names
from goflow_py.expression.templates import Template, compile_template
from goflow_py.expression.values import MISSING

__all__ = [
    "MISSING",
    "Expression",
    "ExpressionSyntaxError",
    "Path",
    "Template",
    "compile_expression",
    "compile_template",
    "parse_path",
    "resolve_secrets",
    "secret_names",
]
