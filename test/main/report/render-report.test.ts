// The page of a run without a browser: whole and balanced, everything escaped, its JSON that of the facts.
import { Script } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { evaluationFacts, type Reports, renderReport } from '#softshard/main/index.js';
import { failure } from '../../failure.js';
import { evaluationOf, HOSTILE_NAMES, solverFacts, stepFacts, sweepFacts } from './facts.js';

const VOID = ['meta', 'img', 'br', 'line', 'circle', 'rect', 'path'];

interface Page {
  readonly text: string;
  /** Contents of scripts, in order. */
  readonly scripts: readonly string[];
}

/** Throws where an element is not closed by its own end tag. Scripts and styles are taken as HTML takes them. */
function parse(html: string): Page {
  const scripts: string[] = [];
  const open: string[] = [];
  let text = '';
  const tag = /<!DOCTYPE html>|<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+(?:="[^"<>]*")?)*)\s*(\/?)>/y;
  for (let at = 0; at < html.length; ) {
    if (html[at] !== '<') {
      const next = html.indexOf('<', at);
      const end = next < 0 ? html.length : next;
      text += html.slice(at, end);
      at = end;
      continue;
    }
    tag.lastIndex = at;
    const found = tag.exec(html);
    if (found === null) throw new Error(`no tag at ${at}: ${html.slice(at, at + 80)}`);
    at = tag.lastIndex;
    const [, isEnd, name = '', , isClosed] = found;
    if (isEnd) {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> ends <${last}> at ${at}: ${html.slice(at - 200, at)}`);
    } else if (name === 'script' || name === 'style') {
      const end = html.indexOf(`</${name}`, at);
      if (name === 'script') scripts.push(html.slice(at, end));
      at = html.indexOf('>', end) + 1;
    } else if (name !== '' && !isClosed && !VOID.includes(name)) open.push(name);
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(', ')}`);
  return { text, scripts };
}

/** The scripts of JSON, parsed; the last is the code. */
function contents({ scripts }: Page) {
  const json = scripts.slice(0, -1).map((it) => JSON.parse(it) as unknown);
  return { charts: json.slice(0, -1), facts: json.at(-1), code: scripts.at(-1)! };
}

const names = Array.from({ length: 10 }, (_, i) => HOSTILE_NAMES[i] ?? `class ${i}`);
const pages: readonly (readonly [string, Reports.ReportFacts])[] = [
  ['training step by step, with hostile names', stepFacts(names)],
  ['a full-batch solver', solverFacts],
  ['a sweep', sweepFacts],
  ['one evaluation', { result: { evaluation: evaluationOf(['a', 'b']) } }],
  ['nothing but a status', { status: { state: 'running' } }],
  ['nothing', {}],
];

describe.each(pages)('the page of %s', (_, facts) => {
  const html = renderReport(facts);
  const page = parse(html);

  test('is balanced HTML, and its JSON is that of the facts', () => {
    const json = JSON.parse(JSON.stringify(contents(page).facts));
    expect(json).toEqual(JSON.parse(JSON.stringify(facts)));
  });

  test('holds no address but in text, and no character that changes how text shows', () => {
    expect(html.replaceAll('https://example.com/x.js', '')).not.toMatch(/https?:|url\(|@import|\bsrc=(?!x)/);
    expect(html).not.toMatch(/(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    expect(html).not.toMatch(/<(script|img|b)[^>]*>alert|<img|<b>/);
  });

  test('has code that compiles, and the same text each time', () => {
    expect(() => new Script(contents(page).code)).not.toThrow();
    expect(renderReport(facts)).toBe(html);
  });
});

const chartsOf = (facts: Reports.ReportFacts) =>
  contents(parse(renderReport(facts))).charts as { readonly x?: readonly number[] }[];

test('each kind of run has its charts, each with a title', () => {
  const titles = (facts: Reports.ReportFacts) =>
    [...renderReport(facts).matchAll(/<section class="card[^>]*><h3>([^<]*)/g)].map(([, title]) => title);
  expect(titles(stepFacts(names)).slice(0, 4)).toEqual(['Loss', 'Accuracy', 'my/metric', 'Figures']);
  expect(titles(solverFacts)).toEqual([
    'Loss',
    'Distance from the minimum',
    'Objective',
    'Accuracy against C',
    'Loss against C',
    'Settings that were tried',
    'Training',
  ]);
  expect(titles(sweepFacts).slice(0, 3)).toEqual(['Accuracy against C', 'Loss against C', 'Models']);
  const html = renderReport(solverFacts);
  expect(html.match(/<svg [^>]*role="img" aria-label="[^"]+"><title>/g)).toHaveLength(5);
});

test.each([
  ['one point', [0.5], 1],
  ['equal values', [0.5, 0.5, 0.5], 3],
  ['values of every size', [1e-300, 1e300, 5e-324, Number.MAX_VALUE], 4],
  ['values of both signs and sizes', [-Number.MAX_VALUE, Number.MAX_VALUE, 0, 1], 4],
  ['gaps', [1, null, Number.NaN, Number.POSITIVE_INFINITY, 2], 2],
] as const)('a chart of %s has finite places only', (_, values, places) => {
  const metrics = values.map((value, i) => ({ time: i, epoch: i + 1, 'train/loss': value }));
  const html = renderReport({ metrics });
  const [chart] = chartsOf({ metrics });
  expect(chart?.x).toHaveLength(places);
  expect(html.slice(html.indexOf('<svg'), html.indexOf('</svg>'))).not.toMatch(/NaN|Infinity|undefined/);
});

test('no chart is drawn of values that are all NaN', () => {
  expect(renderReport({ metrics: [{ time: 0, epoch: 1, 'train/loss': Number.NaN }] })).not.toContain('<svg');
});

test('a hundred thousand points are thinned, with the least and the largest of all', () => {
  const metrics = Array.from({ length: 100_000 }, (_, i) => ({
    time: i,
    step: i,
    'train/loss': i === 54_321 ? 1000 : i === 12_345 ? 1e-3 : 1,
  }));
  const html = renderReport({ metrics });
  const [chart] = chartsOf({ metrics });
  expect(chart?.x?.length).toBeLessThanOrEqual(700);
  expect(html).toContain('training: 1,000');
  expect(html).toContain('training: 0.001');
  expect(html.length).toBeLessThan(1e6);
  expect(contents(parse(html)).facts).toMatchObject({ cut: { metrics: 100_000 } });
});

test('of ten thousand classes there are the top of the tables, and no matrix', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => `class ${i}`);
  const html = renderReport({ result: { classNames: many, evaluation: evaluationOf(many, false) } });
  parse(html);
  expect(html.length).toBeLessThan(500_000);
  expect(html).toContain('The 50 classes with the lowest F1 of 10,000.');
  expect(html).not.toContain('<table class="matrix"');
});

test('of a hundred classes the matrix has those with the most mistakes', () => {
  const many = Array.from({ length: 100 }, (_, i) => `class ${i}`);
  const html = renderReport({ result: { evaluation: evaluationOf(many) } });
  expect(html.match(/<tr data-class=/g)).toHaveLength(30);
});

test.each([
  [null, 'facts'],
  [{ metrics: 5 }, 'facts.metrics'],
  [{ result: { heads: [{ head: 0 }] } }, 'facts.result.heads[0].options'],
  [{ result: { evaluation: { confusion: [5] } } }, 'facts.result.evaluation.confusion[0]'],
  [{ result: { evaluation: { perClass: [null] } } }, 'facts.result.evaluation.perClass[0]'],
  [{ config: { command: 7, options: {} } }, 'facts.config.command'],
])('facts %j are refused by name', async (facts, argument) => {
  const error = await failure(async () => renderReport(facts as unknown as Reports.ReportFacts));
  expect(error).toMatchObject({ code: 'ERR_TYPE', argument });
});

test('evaluationFacts turns arrays into lists, and what JSON lacks into null', () => {
  const share = {
    precision: Float64Array.of(0.5, 1),
    recall: Float64Array.of(1, 0.5),
    f1: Float64Array.of(1, 1),
  };
  const evaluation = {
    rows: 3,
    loss: Number.POSITIVE_INFINITY,
    calibration: { expectedError: Number.NaN, maximumError: Number.NaN, bins: [] },
    perClass: { ...share, support: Float64Array.of(1, 2) },
    confusion: { type: 'uint32', dims: [2, 2], data: Uint32Array.of(1, 0, 1, 1) },
  } as unknown as Parameters<typeof evaluationFacts>[0];
  const facts = evaluationFacts(evaluation, { classNames: ['a', 'b'], of: 'test' });
  expect(facts).toMatchObject({
    of: 'test',
    loss: null,
    confusion: [
      [1, 0],
      [1, 1],
    ],
  });
  expect(facts.perClass?.[1]).toEqual({ class: 1, name: 'b', rows: 2, recall: 0.5, precision: 1, f1: 1 });
  expect(JSON.parse(JSON.stringify(facts))).toEqual(facts);
});
