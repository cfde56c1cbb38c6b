"""The style sheet of the page: system fonts, light and dark, from 320 pixels upward."""

STYLE = """\
:root { --paper: #ffffff; --text: #1b1b1b; --soft: #5c5c5c; --line: #dcdcdc; --block: #f6f6f4; --link: #0b57b0;
  --good: #1a7f37; --bad: #c01c28; --muted: #737373; --ghost: #c8c8c8; --pale: #eeeeee; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --text: #e6e6e3; --soft: #a3a5a8; --line: #34373c; --block: #1f2226; --link: #7db3f5;
    --good: #57c272; --bad: #ff7b72; --muted: #9a9a9a; --ghost: #55585e; --pale: #24272c; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 76rem; background: var(--paper); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
p { max-width: 46rem; margin: 0 0 .75rem; }
a { color: var(--link); text-underline-offset: .15em; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .86em; }
svg.shared { position: absolute; width: 0; height: 0; }
nav a { display: inline-block; padding: .35rem 0; margin-right: 1.1rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .none { color: var(--soft); }
.verdict { display: inline-block; font-weight: 600; padding: .45rem .9rem; border: 1px solid currentColor;
  border-radius: .4rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.25rem;
  align-items: start; }
figure { margin: 0; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; }
figure > svg { display: block; width: 100%; max-width: 30rem; height: auto; margin: 0 auto .75rem; }
figcaption { font-size: .9rem; line-height: 1.5; color: var(--soft); }
figcaption b { color: var(--text); }
.links { display: block; margin-top: .4rem; }
.links a { display: inline-block; padding: .25rem .9rem .25rem 0; }
.legend { font-size: .9rem; color: var(--soft); }
.legend span:not(:first-child) { margin-left: 1rem; }
.wide { overflow-x: auto; margin: 0 0 1.25rem; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { padding: .28rem .55rem; text-align: left; font-weight: normal; vertical-align: top; }
thead th { color: var(--soft); white-space: nowrap; vertical-align: bottom; }
tbody tr { border-top: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.matrix td:not(.number), .matrix thead tr:last-child th, .matrix th[colspan] { text-align: center; }
.matrix .first, .matrix th[colspan], .operations th[colspan] { border-left: 1px solid var(--line); }
.matrix tbody th, .matrix thead tr:first-child th:first-child { position: sticky; left: 0; background: var(--paper);
  white-space: nowrap; }
.matrix td.bad[colspan] { text-align: left; }
.lumps td, .operations tbody th { white-space: nowrap; }
.checks { min-width: 34rem; }
.checks td:nth-child(n+3) { color: var(--soft); }
.operations th[colspan] { text-align: center; }
.operations thead tr:last-child th { text-align: right; }
.operations td:nth-child(2), .operations td:nth-child(5), .operations thead tr:last-child th:nth-child(3n+1) {
  border-left: 1px solid var(--line); }
summary { cursor: pointer; padding: .5rem 0; }
.program { border-bottom: 1px solid var(--line); }
.program > summary code { font-weight: 600; margin: 0 .35rem; }
.program > summary span:last-child { color: var(--soft); font-size: .93rem; }
.program-body { padding: .25rem 0 1rem 1.1rem; }
pre { background: var(--block); padding: .75rem 1rem; border-radius: .4rem; overflow-x: auto; line-height: 1.45;
  max-height: 26rem; overflow-y: auto; margin: 0 0 1.25rem; }
.drawing svg { display: block; }
footer { margin-top: 2.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft);
  font-size: .9rem; }
@media (max-width: 30rem) {
  body { padding: 1.25rem 1rem 2rem; }
  h1 { font-size: 1.4rem; }
  figure { padding: .75rem; }
  .program-body { padding-left: 0; }
}
"""
