// The style sheet of the page: light and dark by what the reader's system asks for, and for paper. The colours of series are
// told apart by all common kinds of colour vision (Okabe and Ito, "Color universal design", 2008); dashes tell them apart as well.

export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --line: #dfe3e8; --text: #1b2430; --soft: #5b6675; --faint: #e9edf2;
  --accent: #0068a8; --right: 0 104 168; --wrong: 205 92 0;
  --s0: #0072b2; --s1: #d55e00; --s2: #00845f; --s3: #b0568c; --s4: #8a6d00; --s5: #2f6f8f;
  --good: #00704f; --bad: #b3261e; --warn: #8a5300;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161d; --card: #19202a; --line: #2c3643; --text: #e4e9f0; --soft: #9aa7b6; --faint: #232c38;
    --accent: #6cbcf2; --right: 46 138 205; --wrong: 226 124 36;
    --s0: #56b4e9; --s1: #f0913a; --s2: #2fc39a; --s3: #dd95c0; --s4: #e3c44a; --s5: #9ec9de;
    --good: #46cfa4; --bad: #ff8a80; --warn: #f0b45c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif;
}
.page { max-width: 1240px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; letter-spacing: -.01em; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 28px 0 12px; font-size: 1.15rem; font-weight: 650; }
h3 { margin: 0 0 4px; font-size: 1rem; font-weight: 650; }
.about { margin: 4px 0 0; color: var(--soft); overflow-wrap: anywhere; }
.state { display: inline-block; padding: 1px 9px; border: 1px solid; border-radius: 99px; font-size: .8rem; font-weight: 600; }
.state.running { color: var(--accent); } .state.failed { color: var(--bad); } .state.interrupted { color: var(--warn); }
.state.finished { color: var(--good); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0 0; padding: 0; }
.tile { max-width: 320px; margin: 0; padding: 11px 13px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile dt { color: var(--soft); font-size: .8rem; }
.tile dd { margin: 0; font-size: 1.35rem; font-weight: 620; line-height: 1.3; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.tile dd small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; line-height: 1.35; }
.warnings { margin: 16px 0 0; padding: 10px 16px; list-style: none; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--warn); border-radius: 6px; overflow-wrap: anywhere; }
.warnings li + li { margin-top: 6px; }
.tabs { display: none; }
.tabbed .tabs { display: flex; gap: 2px; margin: 24px 0 0; border-bottom: 1px solid var(--line); overflow-x: auto; }
.tabs button { padding: 9px 14px; border: 0; border-bottom: 3px solid transparent; background: none; color: var(--soft); font: inherit; cursor: pointer; white-space: nowrap; }
.tabs button:hover { color: var(--text); }
.tabs button[aria-selected="true"] { color: var(--text); border-color: var(--accent); font-weight: 600; }
.tabbed .part > h2 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.tabbed .part { padding-top: 18px; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); gap: 16px; align-items: start; }
.flow { display: block; columns: 440px 2; column-gap: 16px; }
.flow .card { margin-bottom: 16px; break-inside: avoid; } .flow .wide { column-span: all; }
.card { min-width: 0; padding: 16px 18px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.card.wide { grid-column: 1 / -1; }
.note { margin: 0 0 8px; color: var(--soft); font-size: .85rem; }
dl { margin: 6px 0 0; }
.card dl > div { display: flex; justify-content: space-between; gap: 16px; padding: 4px 0; border-top: 1px solid var(--faint); }
.card dl > div:first-child { border-top: 0; }
.card dt { color: var(--soft); }
.card dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 680px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.data { width: 100%; font-size: .88rem; }
.data th { position: sticky; top: 0; z-index: 1; padding: 5px 8px; background: var(--card); color: var(--soft); font-weight: 600; text-align: left; white-space: nowrap; box-shadow: inset 0 -1px var(--line); }
.data th button { all: unset; cursor: pointer; }
.data th button:hover { color: var(--text); }
.data th[aria-sort="ascending"] button::after { content: " ↑"; } .data th[aria-sort="descending"] button::after { content: " ↓"; }
.data td { max-width: 26em; padding: 4px 8px; border-top: 1px solid var(--faint); overflow-wrap: break-word; }
.data .number { text-align: right; white-space: nowrap; }
.data .bar { background: linear-gradient(to right, rgb(var(--right) / .2) calc(var(--part) * 100%), transparent 0) no-repeat right 3px / 100% calc(100% - 6px); }
.data .marked td { background-color: rgb(var(--right) / .12); font-weight: 600; }
.chart { position: relative; margin: 6px 0 0; }
.chart > svg { display: block; width: 100%; height: auto; overflow: visible; }
.tick, .label { fill: var(--soft); font-size: 10px; font-variant-numeric: tabular-nums; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--faint); } .axis { stroke: var(--soft); stroke-opacity: .6; }
.mark { stroke: var(--soft); stroke-dasharray: 3 3; } .cursor { stroke: var(--soft); stroke-opacity: .7; }
.line { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.line.faint { stroke-width: 1; stroke-opacity: .7; }
.line.thin { stroke-width: 1.1; stroke-opacity: .75; }
.dot { fill: currentColor; stroke: var(--card); stroke-width: 1; }
.count-bar { fill: rgb(var(--right) / .35); }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); } .s3 { color: var(--s3); } .s4 { color: var(--s4); } .s5 { color: var(--s5); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 2px 0 0 8px; color: var(--soft); font-size: .85rem; }
.legend span { display: inline-flex; gap: 7px; align-items: center; }
.tip { position: absolute; z-index: 3; max-width: 260px; padding: 6px 10px; background: var(--text); color: var(--page); border-radius: 6px; font-size: .8rem; line-height: 1.4; white-space: pre-line; pointer-events: none; overflow-wrap: anywhere; }
.controls { display: none; flex-wrap: wrap; gap: 6px 18px; margin: 6px 0 10px; font-size: .85rem; color: var(--soft); }
.tabbed .controls { display: flex; }
select { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 2px 6px; }
.matrix { font-size: .8rem; }
.matrix th { padding: 2px 6px; font-weight: 500; color: var(--soft); }
.matrix tbody th, .matrix .corner { position: sticky; left: 0; z-index: 1; background: var(--card); text-align: right; white-space: nowrap; }
.matrix thead th { vertical-align: bottom; } .matrix thead th[data-class] span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; max-height: 150px; overflow: hidden; }
.matrix .corner { font-size: .75rem; font-weight: 400; }
.matrix td { min-width: 36px; height: 28px; padding: 0 3px; border: 1px solid var(--card); text-align: center; background: var(--faint); }
.matrix .right { background: linear-gradient(rgb(var(--right) / var(--part)) 0 0) var(--faint); }
.matrix .wrong { background: linear-gradient(rgb(var(--wrong) / var(--part)) 0 0) var(--faint); }
.matrix .strong { color: #fff; }
.matrix td:hover { outline: 2px solid var(--text); outline-offset: -2px; }
.matrix[data-shows="share"] .count, .matrix[data-shows="count"] .share { display: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
footer { margin-top: 32px; color: var(--soft); font-size: .82rem; }
@media (max-width: 600px) {
  .page { padding: 18px 12px 32px; } .card { padding: 12px; } h1 { font-size: 1.3rem; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 8px; } .tile { padding: 9px 12px; } .tile dd { font-size: 1.2rem; }
  .tick, .label { font-size: 13px; fill: var(--text); } .line { stroke-width: 2; }
}
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --line: #ccc; --text: #000; --soft: #444; --faint: #eee; --accent: #0068a8; --right: 0 104 168; --wrong: 205 92 0; --s0: #0072b2; --s1: #d55e00; --s2: #00845f; --s3: #b0568c; --s4: #8a6d00; --s5: #2f6f8f; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 11px; } .page { max-width: none; padding: 0; }
  .tabbed .tabs, .tabbed .controls, .tip { display: none; }
  .part[hidden] { display: block !important; } .tabbed .part > h2 { position: static; width: auto; height: auto; clip-path: none; }
  .card { break-inside: avoid; } .scroll { overflow: visible; max-height: none; } .data th { position: static; }
}
`;
