// Event files: framing and CRCs, what records hold, and what TensorBoard itself reads where it is installed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hparamsOf, TensorBoard } from '#softshard/main/index.js';
import { crc32c } from '#softshard/main/report/tensorboard/crc32c.js';
import { failure } from '../../failure.js';
import { pythonFor } from '../../optional.js';
import { eventsOf, type Fields, message, parse, text } from './event-files.js';

const tensorBoardPython = pythonFor('import tensorboard');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'softshard-board-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('CRC-32C has the values of RFC 3720, appendix B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

test('a file begins with its version, and has scalars by step; what is unknown is left out', () => {
  const board = new TensorBoard(folder);
  board.scalars(3, { 'train/loss': 0.5, unknown: undefined, none: null, é: Number.NaN });
  board.flush();
  expect(eventsOf(folder)).toHaveLength(3);
  board.scalars(2 ** 40, {});
  board.scalars(2 ** 40, { x: 1 });
  board.close();
  const [first, start, second, third, ...rest] = eventsOf(folder);
  expect(text(first!, 3)).toBe('brain.Event:2');
  expect(first!.get(1)?.[0]).toBeCloseTo(Date.now() / 1000, -2);
  expect([start!.get(2), message(start, 7).get(1)]).toEqual([[3], [1]]);
  expect(second!.get(2)).toEqual([3]);
  const summary = message(second, 5);
  expect(summary.get(1)).toHaveLength(2);
  expect(text(message(summary, 1), 1)).toBe('train/loss');
  expect(message(summary, 1).get(2)).toEqual([0.5]);
  expect(text(message(summary, 1, 1), 1)).toBe('é');
  expect(message(summary, 1, 1).get(2)).toEqual([Number.NaN]);
  expect(third!.get(2)).toEqual([2 ** 40]);
  expect(rest).toEqual([]);
});

/** The plugin's data of an event: which, and its fields. */
function hparamsOfEvent(event: Fields | undefined) {
  const value = message(message(event, 5), 1);
  const plugin = message(message(value, 9), 1);
  expect(text(plugin, 1)).toBe('hparams');
  return { tag: text(value, 1), content: message(plugin, 2) };
}

function writeSweep(): void {
  const sessions = {
    'head-0': hparamsOf({ C: 0.1, scale: 'none', on: true }),
    'head-1': { C: 1, scale: 'standard', on: false },
  };
  const board = new TensorBoard(folder, { sessions, metrics: ['validation/loss'] });
  board.scalars(0, { 'validation/loss': 0.5 }, 'head-0');
  board.end('head-0');
  board.scalars(0, { 'validation/loss': 0.25 }, 'head-1');
  board.end('head-1', false);
  board.close();
}

test('a sweep has an experiment, and of each head a session with begin, end and values', () => {
  writeSweep();
  const [, experiment] = eventsOf(folder);
  const { tag, content } = hparamsOfEvent(experiment);
  expect(tag).toBe('_hparams_/experiment');
  const infos = message(content, 2).get(4) as Buffer[];
  expect(infos.map((info) => [text(parse(info), 1), parse(info).get(4)?.[0]])).toEqual([
    ['C', 3],
    ['scale', 1],
    ['on', 2],
  ]);
  const [, start, , scalars, end] = eventsOf(join(folder, 'head-1'));
  expect(hparamsOfEvent(start).tag).toBe('_hparams_/session_start_info');
  const own = (message(hparamsOfEvent(start).content, 3).get(1) as Buffer[]).map(parse);
  expect(own.map((it) => text(it, 1))).toEqual(['C', 'scale', 'on']);
  expect(message(own[0], 2).get(2)).toEqual([1]);
  expect(text(message(own[1], 2), 3)).toBe('standard');
  expect(message(own[2], 2).get(4)).toEqual([0]);
  expect(message(message(scalars, 5), 1).get(2)).toEqual([0.25]);
  expect(message(hparamsOfEvent(end).content, 4).get(1)).toEqual([2]);
});

test('a folder that cannot be written is named', async () => {
  writeFileSync(join(folder, 'file'), '');
  // In the second none can be made on Linux: see make-folder.ts.
  for (const path of [
    join(folder, 'file'),
    ...(process.platform === 'linux' ? ['/proc/softshard/events'] : []),
  ]) {
    const error = await failure(async () => new TensorBoard(path));
    expect(error).toMatchObject({ code: 'ERR_FILE' });
    expect(error.message).toContain(path);
  }
});

const READER = `
import json, sys
from tensorboard.backend.event_processing import plugin_event_multiplexer as m, data_provider
from tensorboard import context
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
mux = m.EventMultiplexer(); mux.AddRunsFromDirectory(sys.argv[1]); mux.Reload()
provider = data_provider.MultiplexerDataProvider(mux, sys.argv[1])
own = backend_context.Context(base_plugin.TBContext(data_provider=provider))
request = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=10, allowed_statuses=[0, 1, 2, 3])
groups = list_session_groups.Handler(context.RequestContext(), own, '', request).run().session_groups
print(json.dumps([[g.name, g.hparams['C'].number_value, g.metric_values[0].value, g.sessions[0].status] for g in groups]))
`;

const SCALARS = `
import json, sys
from tensorboard.backend.event_processing import event_accumulator
events = event_accumulator.EventAccumulator(sys.argv[1]); events.Reload()
print(json.dumps([[event.step, event.value] for event in events.Scalars('loss')]))
`;

describe.skipIf(tensorBoardPython === undefined)('TensorBoard', () => {
  test('reads sessions, hyperparameters and metrics of a sweep for its HParams tab', () => {
    writeSweep();
    const { stdout, stderr } = spawnSync(tensorBoardPython!, ['-c', READER, folder], { encoding: 'utf8' });
    expect(stdout, stderr).not.toBe('');
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual([
      ['head-0', 0.1, 0.5, 1],
      ['head-1', 1, 0.25, 2],
    ]);
  });

  test('of a training that goes on from a checkpoint has each step once, and what became of it last', () => {
    for (const [steps, loss] of [
      [[1, 2, 3, 4, 5], 0.5],
      [[4, 5, 6], 0.25],
    ] as const) {
      const board = new TensorBoard(folder);
      for (const step of steps) board.scalars(step, { loss });
      board.close();
    }
    const { stdout, stderr } = spawnSync(tensorBoardPython!, ['-c', SCALARS, folder], { encoding: 'utf8' });
    expect(stdout, stderr).not.toBe('');
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual([
      [1, 0.5],
      [2, 0.5],
      [3, 0.5],
      [4, 0.25],
      [5, 0.25],
      [6, 0.25],
    ]);
  });
});
