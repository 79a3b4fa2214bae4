"""Strings that a page must show as they are: markup, script, templates, paths, signs of any script.

Each that holds script would set ``window.ran`` or open an alert if it were run.
"""

from __future__ import annotations

import json
from pathlib import Path

from asr_adapt.manifest import write_manifest
from asr_adapt.records import ARMS, Hypothesis, Utterance
from tests.test_report import make_run

HOSTILE = (
    # out of the text and into markup
    "<script>window.ran=1;alert(1)</script>",
    "</script><script>window.ran=1</script>",
    "</style><style>*{display:none}",
    "</textarea></title><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<svg onload=window.ran=1>",
    "<svg><animate onbegin=window.ran=1 attributeName=x></svg>",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<iframe src=http://192.0.2.1/></iframe>",
    "<body onload=window.ran=1>",
    "<details open ontoggle=window.ran=1>",
    "<audio src=x onerror=window.ran=1>",
    "<base href=http://192.0.2.1/>",
    "<meta http-equiv=refresh content='0;url=http://192.0.2.1/'>",
    "<link rel=stylesheet href=http://192.0.2.1/x.css>",
    "<object data=http://192.0.2.1/></object>",
    "<form action=http://192.0.2.1/><button>x</button></form>",
    "<math><mtext><img src=x onerror=window.ran=1></mtext></math>",
    "<!-- --!><img src=x onerror=window.ran=1>",
    "<![CDATA[<script>window.ran=1</script>]]>",
    "<b>bold</b><br/>",
    "<scr<script>ipt>window.ran=1</script>",
    # out of an attribute
    '" onmouseover="window.ran=1" x="',
    "' onfocus='window.ran=1' autofocus='",
    '"><script>window.ran=1</script>',
    "'><img src=x onerror=window.ran=1>",
    "` onclick=`window.ran=1`",
    '" style="position:fixed;inset:0;background:url(http://192.0.2.1/)',
    # addresses
    "javascript:window.ran=1",
    "java\tscript:window.ran=1",
    "data:text/html,<script>window.ran=1</script>",
    "vbscript:msgbox(1)",
    "http://192.0.2.1/?q=a&b=c",
    "//192.0.2.1/x",
    "#u0",
    # entities and templates
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "&#x3C;img src=x&#x3E;",
    "&amp;amp;",
    "{{ 7*7 }}",
    "{% for x in y %}{% endfor %}",
    "{# a comment #}",
    "${window.ran=1}",
    "<%= 7*7 %>",
    "#{7*7}",
    "%s %d %n {0} {name!r}",
    "$x^2$ \\(y\\) \\frac{1}{0}",
    # what is no string elsewhere
    "null",
    "undefined",
    "NaN",
    "None",
    "true",
    "__proto__",
    "constructor",
    # paths and tables
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "/dev/null",
    "file:///etc/passwd",
    "CON.wav",
    "=HYPERLINK(A1)",
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "a,b;c|d",
    '"quoted, twice""',
    "[link](http://192.0.2.1/) **b** _i_ `c`",
    "1; DROP TABLE calls; --",
    "$(touch x) `touch x` ; touch x",
    # signs of other scripts, and signs that hide
    "left\u202eright\u202c",
    "zero\u200bwidth\ufeff",
    "\u2066isolate\u2069",
    "שלום עולם",
    "مرحبا <b>بالعالم</b>",
    "中文和日本語",
    "e\u0301\u0323\u0327\u0334",
    "Z\u0351\u036b\u0343\u036a\u0302a\u030al\u0354g\u0347o",
    "\U0001f6a2\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "bell\u0007escape\u001b[31m",
    "ﷺ ﬁ Ⅷ",
    "x" * 2000,
    "long " * 200 + "end",
    "?" * 300,
)


def hostile_id(place: int) -> str:
    """Return a hostile string as the name of something: those with signs that hide are refused."""
    payload = HOSTILE[place]
    return payload if payload.isprintable() else f"id {place}"


def hostile_run(folder: Path) -> Path:
    """Write a run in which every name and every text that comes from data is hostile."""
    run = make_run(folder, count=2)
    sound = run / "audio" / "test" / "clip0.wav"
    rows = [
        Utterance(
            hostile_id(place),
            # Every third sound has a hostile name and is not there.
            sound if place % 3 else run / f"{hostile_id(place)}.wav",
            0.0,
            0.2,
            f"{payload} said",
            speaker=hostile_id(place),
            context=(payload, "said"),
            tags={f"group {place // 12}": payload, payload: payload},
        )
        for place, payload in enumerate(HOSTILE)
    ]
    heard = [
        Hypothesis(hostile_id(place), arm, f"{each} heard", each, (each,), -0.3, 0.05, (each,))
        for place, each in enumerate(HOSTILE)
        for arm in ARMS
    ]
    sets = run / "sets" / "test"
    write_manifest(sets / "manifest.jsonl", rows)
    lines = (json.dumps(each.to_json()) + "\n" for each in heard)
    (sets / "hypotheses.jsonl").write_text("".join(lines), encoding="utf-8")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["sets"][0]["title"] = " ".join(HOSTILE[:30])
    record["model"]["name"] = record["leak_check"] = " ".join(HOSTILE)
    record["command"] = ["asr-adapt", *HOSTILE]
    record["excluded"] = [{"id": each, "reason": each} for each in HOSTILE]
    record["decode"] = {each: each for each in HOSTILE}
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return run
