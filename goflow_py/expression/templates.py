"""Templates: JSON in which texts may name values of the document.

A text is read in this order. Wholly a path: its value, with its type. Exactly ``${ ... }``: the
value of the expression, with its type. Else text in which ``{$.path}`` and ``${ ... }`` are
replaced; any other brace is a brace. ``$$`` at the start is one ``$``, and the rest is literal.
"""

from collections.abc import Callable, Mapping
from typing import Any

from goflow_py.errors import ExpressionFailed
from goflow_py.expression.errors import Fault, raise_failed, syntax_error
from goflow_py.expression.expressions import Expression, compile_expression
from goflow_py.expression.paths import parse_path
from goflow_py.expression.secrets import SECRET, SECRET_START, Lookup, seal, secret_value
from goflow_py.expression.tokens import NESTING_MAX, tokens
from goflow_py.expression.values import MISSING, SIZE_MAX, ensure_small, to_text

Part = Callable[[Mapping[str, Any], list[str] | None, Lookup | None], Any]
_NOTHING: frozenset[str] = frozenset()


class Template:
    """Hold a compiled template; it is never changed, and safe to share."""

    __slots__ = ("_part", "constant", "roots", "secret_names", "value", "warnings")

    def __init__(
        self, value: Any, part: Part | None = None, built: "_Builder | None" = None
    ) -> None:
        self.constant = part is None
        """Whether it names no value: then ``render`` returns the very value it was made of."""
        self.roots = frozenset(built.roots) if built else _NOTHING
        """The names of the document that it reads, as far as its text tells."""
        self.warnings = tuple(built.warnings) if built else ()
        """What is read otherwise than it was probably meant."""
        self.secret_names = tuple(dict.fromkeys(built.secret_names)) if built else ()
        """The secrets that its author refers to."""
        self.value = value
        """The JSON that it was made of."""
        self._part = part

    def render(
        self,
        document: Mapping[str, Any],
        missing: list[str] | None = None,
        *,
        secrets: Lookup | None = None,
    ) -> Any:
        """Return the value; raise ``ExpressionFailed``.

        What leads nowhere becomes null (in the midst of text: nothing), and its text is appended
        to *missing*. A template compiled with ``secrets=True`` puts the author's secrets in when
        *secrets* is given, and else returns sealed texts, for ``resolve_secrets`` alone.
        """
        if self._part is None:
            return self.value
        rendered = self._part(document, missing, secrets)
        if isinstance(self.value, dict | list):
            _weigh(rendered)
        return rendered

    def __repr__(self) -> str:
        return f"Template(constant={self.constant}, roots={sorted(self.roots)})"


def _weigh(rendered: Any) -> None:
    """Refuse a map or a list that is too large: ``{"x": ["$.data.x", "$.data.x"]}`` doubles."""
    try:
        ensure_small(rendered)
    except Fault as fault:
        raise ExpressionFailed(f"a template builds too much: {fault}") from None


def compile_template(value: Any, *, secrets: bool = False) -> Template:
    """Compile JSON; raise ``ExpressionSyntaxError``. Only with *secrets* may it refer to them."""
    # Most texts of a blueprint are plain, and there are thousands of them.
    if "$" not in value if isinstance(value, str) else not isinstance(value, (dict, list)):
        return Template(value)
    builder = _Builder(secrets=secrets)
    return Template(value, builder.build(value, 0), builder)


class _Builder:
    def __init__(self, *, secrets: bool) -> None:
        self.secrets = secrets
        self.roots: set[str] = set()
        self.warnings: list[str] = []
        self.secret_names: list[str] = []

    def build(self, value: Any, depth: int) -> Part | None:
        """Return what renders the value, or ``None`` when it is constant."""
        if depth > NESTING_MAX:
            raise syntax_error("", 0, f"a template is nested deeper than {NESTING_MAX} levels")
        if isinstance(value, str):
            return self._text(value) if "$" in value else None
        if isinstance(value, dict):
            parts = {key: self.build(item, depth + 1) for key, item in value.items()}
            return self._map(value, parts) if any(parts.values()) else None
        if isinstance(value, list):
            items = [self.build(item, depth + 1) for item in value]
            return self._list(value, items) if any(items) else None
        return None

    def _map(self, value: dict[str, Any], parts: dict[str, Part | None]) -> Part:
        pairs = [(key, self._always(value[key], part)) for key, part in parts.items()]
        return lambda document, missing, lookup: {
            key: part(document, missing, lookup) for key, part in pairs
        }

    def _list(self, value: list[Any], items: list[Part | None]) -> Part:
        parts = [self._always(item, part) for item, part in zip(value, items, strict=True)]
        return lambda document, missing, lookup: [part(document, missing, lookup) for part in parts]

    def _always(self, value: Any, part: Part | None) -> Part:
        return part or (lambda document, missing, lookup: value)

    def _text(self, text: str) -> Part | None:
        if text.startswith("$$"):
            return self._piece(text[1:])
        path = parse_path(text)
        if path is not None:
            self.roots.add(path.root)
            return self._value(path.get, text)
        pieces = self._pieces(text)
        if len(pieces) == 1 and isinstance(pieces[0], Expression):
            only = pieces[0]
            self._note(only)
            return self._value(only.path.get if only.path else only.evaluate, only.text)
        if any(not isinstance(piece, str) for piece in pieces):
            return self._mixed(text, pieces)
        if text.startswith(("$.", "$[")):
            self.warnings.append(f"'{text[:80]}' is text: it begins like a path and is none")
        return self._piece(text) if self.secrets else None

    def _piece(self, text: str) -> Part:
        """Render a literal text: sealed, unless the secrets are put in at once."""
        sealed = seal(text) if self.secrets else text
        return lambda document, missing, lookup: text if lookup is not None else sealed

    def _pieces(self, text: str) -> list["str | Expression | _Secret"]:
        pieces: list[str | Expression | _Secret] = []
        position = literal = 0
        while position < len(text):
            found = self._dynamic(text, position)
            if found is None:
                position += 1
                continue
            piece, end = found
            if literal < position:
                pieces.append(text[literal:position])
            pieces.append(piece)
            position = literal = end
        if literal < len(text) or not pieces:
            pieces.append(text[literal:])
        return pieces

    def _dynamic(self, text: str, position: int) -> tuple["Expression | _Secret", int] | None:
        """Return what stands at a place, if it is more than text, and where it ends."""
        if text.startswith("{$", position):
            end = text.find("}", position)
            if end < 0 or parse_path(text[position + 1 : end]) is None:
                return None
            return self._read(text[position + 1 : end]), end + 1
        if not text.startswith("${", position):
            return None
        if text.startswith(SECRET_START, position):
            return self._secret(text, position)
        end = list(tokens(text, position + 2))[-1].end
        if end >= len(text):
            raise syntax_error(text, position, "the '${' is not closed with '}'")
        return self._read(text[position + 2 : end]), end + 1

    def _secret(self, text: str, position: int) -> tuple["_Secret", int]:
        found = SECRET.match(text, position)
        if found is None:
            raise syntax_error(text, position, "a secret is written ${secret:NAME}")
        if not self.secrets:
            reason = "secrets are for headers, endpoints and auth alone"
            raise syntax_error(text, position, reason)
        self.secret_names.append(found.group(1))
        return _Secret(found.group(1)), found.end()

    def _read(self, text: str) -> Expression:
        return compile_expression(text)

    def _note(self, expression: Expression) -> None:
        self.roots |= expression.roots
        self.warnings.extend(expression.warnings)

    def _value(self, evaluate: Callable[[Mapping[str, Any]], Any], text: str) -> Part:
        sealing = self.secrets

        def render(
            document: Mapping[str, Any], missing: list[str] | None, lookup: Lookup | None
        ) -> Any:
            value = evaluate(document)
            if value is MISSING:
                if missing is not None:
                    missing.append(text)
                return None
            return seal(value) if sealing and lookup is None else value

        return render

    def _mixed(self, text: str, pieces: list["str | Expression | _Secret"]) -> Part:
        parts = [self._part_of_text(piece) for piece in pieces]

        def render(
            document: Mapping[str, Any], missing: list[str] | None, lookup: Lookup | None
        ) -> str:
            try:
                rendered = "".join([part(document, missing, lookup) for part in parts])
            except Fault as fault:
                raise_failed(text, str(fault))
            if len(rendered) > SIZE_MAX:
                raise_failed(text, "it builds a text of more than 1 MiB")
            return rendered

        return render

    def _part_of_text(self, piece: "str | Expression | _Secret") -> Part:
        if isinstance(piece, str):
            return self._piece(piece)
        if isinstance(piece, _Secret):
            return piece.render
        self._note(piece)
        evaluate, text, sealing = piece.evaluate, piece.text, self.secrets

        def render(
            document: Mapping[str, Any], missing: list[str] | None, lookup: Lookup | None
        ) -> str:
            value = evaluate(document)
            if value is MISSING and missing is not None:
                missing.append(text)
            written = to_text(value)
            return written.replace("$", "$$") if sealing and lookup is None else written

        return render


class _Secret:
    """Stand for a secret that the author of the template referred to."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def render(
        self, document: Mapping[str, Any], missing: list[str] | None, lookup: Lookup | None
    ) -> str:
        """Return the secret, or, in a sealed text, the reference."""
        return f"{SECRET_START}{self.name}}}" if lookup is None else secret_value(self.name, lookup)
