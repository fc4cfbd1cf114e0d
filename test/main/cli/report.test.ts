// The commands that make pages and event files, on small files of their own.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { softshard, temporaryFolder } from './workbench.js';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = temporaryFolder();
  const rows = Array.from({ length: 60 }, (_, i) => `${Math.sin(i)},${Math.cos(3 * i)},${'abc'[i % 3]}`);
  writeFileSync(at('x.csv'), `u,v,kind\n${rows.join('\n')}\n`);
  const train = [
    'train',
    '--data',
    at('x.csv'),
    '--label',
    'kind',
    '--C',
    '1',
    '--output',
    at('m.safetensors'),
  ];
  expect(await softshard([...train, '--quiet'])).toMatchObject({ code: 0 });
});

/** The facts in a page. */
const factsIn = (path: string) =>
  JSON.parse(/id="facts">(.*?)<\/script>/s.exec(readFileSync(path, 'utf8'))?.[1] ?? 'null');

test('evaluate --report writes a page with what --json prints', async () => {
  const args = ['evaluate', '--model', at('m.safetensors'), '--data', at('x.csv'), '--label', 'kind'];
  const { code, stdout } = await softshard([...args, '--json', '--report', at('page.html')]);
  expect(code).toBe(0);
  const { result, config } = factsIn(at('page.html'));
  const { loss, confusion, worstRows } = JSON.parse(stdout);
  expect(result.evaluation).toMatchObject({ of: at('x.csv'), loss, confusion, worstRows });
  expect(worstRows).toHaveLength(20);
  expect(config).toMatchObject({ command: 'evaluate', options: { data: at('x.csv'), labelColumn: 'kind' } });
  const text = await softshard(args);
  expect(text.stdout).toMatch(/^true \\ predicted +0 +1 +2$/m);
  expect(text.stdout).toMatch(/^class {2}taken for {2}rows {2}of the class$/m);
});

test('of a calibrated model the page has the reliability before and after', async () => {
  const calibrate = ['calibrate', '--model', at('m.safetensors'), '--data', at('x.csv'), '--label', 'kind'];
  expect(await softshard([...calibrate, '--output', at('c.safetensors'), '--quiet'])).toMatchObject({
    code: 0,
  });
  const args = ['evaluate', '--data', at('x.csv'), '--label', 'kind', '--json'];
  const before = await softshard([...args, '--model', at('m.safetensors')]);
  await softshard([...args, '--model', at('c.safetensors'), '--report', at('c.html')]);
  const { evaluation } = factsIn(at('c.html')).result;
  if (evaluation.temperature === 1) return expect(evaluation.beforeTemperature).toBeUndefined();
  expect(evaluation.beforeTemperature.loss).toBeCloseTo(JSON.parse(before.stdout).loss, 5);
});

test('report makes the page of a run directory, there or where --output says', async () => {
  mkdirSync(at('run'));
  writeFileSync(at('run/status.json'), '{"state":"running"}');
  writeFileSync(at('run/metrics.jsonl'), '{"time":0,"epoch":1,"train/loss":0.5}\n{"time":1,"epoch":2,"tr');
  const { code, stdout } = await softshard(['report', at('run')]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `The report is in ${at('run/report.html')}\n` });
  expect(factsIn(at('run/report.html')).metrics).toEqual([{ time: 0, epoch: 1, 'train/loss': 0.5 }]);
  expect((await softshard(['report', at('run'), '--output', at('r.html')])).code).toBe(0);
  expect(existsSync(at('r.html'))).toBe(true);
});

test.each([
  [['report', 'nowhere'], 1, 'there is no such folder'],
  [['report', 'run', '--output', 'run/metrics.jsonl'], 1, 'would replace'],
  [['report'], 2, "missing required argument 'directory'"],
])('%j fails with %i and says why', async (args, code, words) => {
  const result = await softshard(args.map((it) => (/^(nowhere|run)/.test(it) ? at(it) : it)));
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(words);
});

test('train and sweep --tensorboard write event files, a folder for each model', async () => {
  const data = ['--data', at('x.csv'), '--label', 'kind', '--quiet'];
  const train = [
    'train',
    ...data,
    '--epochs',
    '2',
    '--output',
    at('t.safetensors'),
    '--tensorboard',
    at('tb'),
  ];
  expect(await softshard(train)).toMatchObject({ code: 0 });
  const [file = ''] = readdirSync(at('tb'));
  const events = readFileSync(join(at('tb'), file), 'latin1');
  for (const tag of ['train/loss', 'learningRate', '_hparams_/session_end_info'])
    expect(events).toContain(tag);
  const sweep = ['sweep', ...data, '--C', '0.1,1', '--scale', 'none', '--tensorboard', at('tbs')];
  expect(await softshard(sweep)).toMatchObject({ code: 0 });
  expect(readdirSync(at('tbs')).filter((name) => name.startsWith('head-'))).toEqual(['head-0', 'head-1']);
  const [head = ''] = readdirSync(at('tbs/head-0'));
  const told = readFileSync(at(`tbs/head-0/${head}`), 'latin1');
  // On the way, then at the end.
  for (const tag of ['train/loss', 'gapRelative', 'validation/accuracy']) expect(told).toContain(tag);
  expect(told.indexOf('gapRelative')).toBeLessThan(told.indexOf('validation/accuracy'));
});

test('a sweep whose event files cannot be written says so once, and comes to its end', async () => {
  mkdirSync(at('tbf'));
  writeFileSync(at('tbf/head-1'), '');
  const args = ['sweep', '--data', at('x.csv'), '--label', 'kind', '--C', '0.1,1,10', '--scale', 'none'];
  const { code, stderr } = await softshard([...args, '--quiet', '--tensorboard', at('tbf')]);
  expect(code, stderr).toBe(0);
  expect(
    stderr.match(/^warning: .*head-1.* cannot be written.*: --tensorboard writes nothing more$/gm),
  ).toHaveLength(1);
});
